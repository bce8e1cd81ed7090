"""The common part of all stand-ins: records requests, applies faults, has a control API.

The control API is ``/_control``; its calls are neither recorded nor made to fail:

- ``GET/POST/DELETE /_control/faults``: the rules in force; POST replaces all of them
- ``GET/DELETE /_control/calls``: counts and requests, ``?route=`` for one route
- ``POST /_control/clock``: ``{"advance_seconds": n}`` moves the clock of this stand-in
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from .calls import Call, CallLog
from .clock import Clock
from .faults import KINDS, Action, Kind, RuleBook
from .spoiled_answers import Moment, spoil

PREFIX = "/_control/"

Handler = Callable[[web.Request], Awaitable[web.Response]]
AnyHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ErrorBody = Callable[[str, int], Any]

_ACTION = web.RequestKey("action", Action)


class Desk:
    """Applies faults and records requests before the routes of a stand-in.

    ``error_body(route, status)`` returns the body that the real service documents for an
    error; ``own_kinds`` are fault kinds that the stand-in's handlers apply themselves.
    """

    def __init__(
        self,
        error_body: ErrorBody,
        clock: Clock | None = None,
        faults: Iterable[Mapping[str, Any]] = (),
        own_kinds: Mapping[str, Kind] | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        self.clock = clock or Clock()
        self.rules = RuleBook(own_kinds or {})
        self._faults = [dict(rule) for rule in faults]
        self.calls = CallLog(secrets)
        self._error_body = error_body
        self._routes: dict[Any, str] = {}

    def application(self) -> web.Application:
        """An application with the control routes; ``add`` adds the others."""
        app = web.Application(middlewares=[self._middleware])
        app.on_startup.append(self._load_faults)
        app.router.add_get(PREFIX + "faults", self._list_faults)
        app.router.add_post(PREFIX + "faults", self._set_faults)
        app.router.add_delete(PREFIX + "faults", self._clear_faults)
        app.router.add_get(PREFIX + "calls", self._list_calls)
        app.router.add_delete(PREFIX + "calls", self._clear_calls)
        app.router.add_post(PREFIX + "clock", self._advance)
        return app

    def add(
        self, app: web.Application, method: str, paths: Iterable[str], handler: Handler, route: str
    ) -> None:
        """Serve ``paths`` with ``handler``; ``route`` is their name in faults and counts."""
        self._routes[handler] = route
        self.rules.routes.add(route)
        for path in paths:
            app.router.add_route(method, path, handler)

    @web.middleware
    async def _middleware(self, request: web.Request, handler: AnyHandler) -> web.StreamResponse:
        if request.path.startswith(PREFIX):
            return await _control_answer(request, handler)
        body = (await request.read()).decode("utf-8", "replace")
        call = self._record(request, body)
        action = self.rules.take(call.route, f"{request.path_qs}\n{body}")
        if action is not None:
            request[_ACTION] = action
            call.fault = action.kind
        response = await self._serve(request, handler, call.route, action)
        lost = request.transport is None or request.transport.is_closing()
        call.answered = None if lost else response.status
        return response

    def _record(self, request: web.Request, body: str) -> Call:
        call = Call(
            route=self._routes.get(request.match_info.handler, "unknown"),
            method=request.method,
            path=request.path_qs,
            headers=dict(request.headers),
            body=body,
            at=self.clock.now(),
        )
        self.calls.add(call)
        return call

    async def _serve(
        self, request: web.Request, handler: AnyHandler, route: str, action: Action | None
    ) -> web.StreamResponse:
        if action is None:
            return await _answer(request, handler)
        if action.kind not in KINDS:
            await self.clock.sleep(action.seconds)
            return await _answer(request, handler)
        real = web.json_response({}) if action.before else await _answer(request, handler)
        await self.clock.sleep(action.seconds)
        if action.kind == "delay" and action.before:
            return await _answer(request, handler)
        return await spoil(Moment(request, real, self._documented(route, action), self.clock))

    def _documented(self, route: str, action: Action) -> Action:
        if action.kind != "status" or "body" in action.options:
            return action
        body = self._error_body(route, int(action.get("status")))
        return Action(action.kind, {**action.options, "body": body})

    async def _load_faults(self, app: web.Application) -> None:
        self.rules.replace(self._faults)

    async def _list_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self.rules.as_json())

    async def _set_faults(self, request: web.Request) -> web.Response:
        self.rules.replace(await request.json())
        return web.json_response(self.rules.as_json())

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self.rules.replace([])
        return web.json_response([])

    async def _list_calls(self, request: web.Request) -> web.Response:
        return web.json_response(self.calls.as_json(request.query.get("route")))

    async def _clear_calls(self, request: web.Request) -> web.Response:
        self.calls.clear()
        return web.json_response(self.calls.as_json())

    async def _advance(self, request: web.Request) -> web.Response:
        self.clock.advance(float((await request.json())["advance_seconds"]))
        return web.json_response({"now": self.clock.now()})


def own_action(request: web.Request, kind: str) -> Action | None:
    """The action of the stand-in's own ``kind`` that applies to this request, if any."""
    action = request.get(_ACTION)
    return action if action is not None and action.kind == kind else None


def ordered(order: Callable[[Mapping[str, Any]], Awaitable[Any]]) -> Handler:
    """A control route that hands its JSON object to ``order`` and answers what that returns."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(await order(await request.json()))

    return answer


async def _answer(request: web.Request, handler: AnyHandler) -> web.Response:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        # Fault rules apply to aiohttp's own 404 and 405 too.
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.Response(status=error.status, text=error.text, headers=headers)
    if not isinstance(response, web.Response):
        raise TypeError("a handler must answer a whole body; only faults stream")
    return response


async def _control_answer(request: web.Request, handler: AnyHandler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        # RuleError and JSONDecodeError are ValueErrors; Decimal raises ArithmeticErrors.
        return web.json_response({"error": str(error)}, status=400)
