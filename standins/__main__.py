"""Start a single stand-in: ``python -m standins tttranscribe --port 9001 --secret x``.

It listens on 127.0.0.1 only and stops on SIGINT or SIGTERM.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from . import daraja, openrouter, play, stripe, tiktok, tttranscribe

_ADDRESS = "127.0.0.1"
_SHUTDOWN_SECONDS = 1.0


def main() -> None:
    """Parse the command line and serve until stopped."""
    arguments = _parser().parse_args()
    build: Callable[[argparse.Namespace], web.Application] = arguments.build
    web.run_app(
        build(arguments),
        host=_ADDRESS,
        port=arguments.port,
        access_log=None,
        print=None,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="standins")
    services = parser.add_subparsers(required=True, metavar="service")
    _add_tttranscribe(services.add_parser("tttranscribe"))
    _add_tiktok(services.add_parser("tiktok"))
    _add_openrouter(services.add_parser("openrouter"))
    _add_stripe(services.add_parser("stripe"))
    _add_daraja(services.add_parser("daraja"))
    _add_play(services.add_parser("play"))
    for service in services.choices.values():
        service.add_argument("--port", type=int, required=True)
    return parser


def _add_tttranscribe(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(build=_tttranscribe)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--webhook-url")
    parser.add_argument("--webhook-secret")
    parser.add_argument("--job-seconds", type=float, default=4.0)


def _tttranscribe(arguments: argparse.Namespace) -> web.Application:
    return tttranscribe.create_app(
        arguments.secret,
        arguments.webhook_url,
        arguments.job_seconds,
        webhook_secret=arguments.webhook_secret,
    )


def _add_tiktok(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(build=_tiktok)
    parser.add_argument("--fixtures", type=Path, help="folder with manifest.json and saved pages")


def _tiktok(arguments: argparse.Namespace) -> web.Application:
    return tiktok.create_app(arguments.fixtures)


def _add_openrouter(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(build=_openrouter)
    parser.add_argument("--management-key", required=True)
    parser.add_argument("--usage-lag-seconds", type=float, default=0.0)
    parser.add_argument("--rate-limit-per-minute", type=int)


def _openrouter(arguments: argparse.Namespace) -> web.Application:
    return openrouter.create_app(
        arguments.management_key,
        usage_lag_seconds=arguments.usage_lag_seconds,
        rate_limit_per_minute=arguments.rate_limit_per_minute,
    )


def _add_stripe(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(build=_stripe)
    parser.add_argument("--secret-key", required=True)
    parser.add_argument("--webhook-secret", required=True)
    parser.add_argument("--webhook-url")


def _stripe(arguments: argparse.Namespace) -> web.Application:
    return stripe.create_app(arguments.secret_key, arguments.webhook_secret, arguments.webhook_url)


def _add_daraja(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(build=_daraja)
    parser.add_argument("--consumer-key", required=True)
    parser.add_argument("--consumer-secret", required=True)
    parser.add_argument("--passkey", required=True)


def _daraja(arguments: argparse.Namespace) -> web.Application:
    return daraja.create_app(arguments.consumer_key, arguments.consumer_secret, arguments.passkey)


def _add_play(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(build=_play)
    parser.add_argument("--webhook-url")
    parser.add_argument("--audience", default="")


def _play(arguments: argparse.Namespace) -> web.Application:
    return play.create_app(arguments.webhook_url, arguments.audience)


if __name__ == "__main__":
    main()
