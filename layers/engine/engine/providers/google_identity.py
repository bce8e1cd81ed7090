"""An access token of Google for the function's own AWS role, without a key of Google's.

Format: "Workload identity federation with AWS" (cloud.google.com/iam/docs): a signed request for
`GetCallerIdentity`, which nobody here sends, proves the role to Google's token service; what that answers may
act as one service account. The trust is set up once at Google, for one role of one AWS account.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from engine.platform import aws, snapshots
from engine.providers.wire import Api, NotSent, Unknown, bearer, child, moment, success, text, word

STS: Final = "https://sts.googleapis.com"
IAM: Final = "https://iamcredentials.googleapis.com"
CLOUD_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
LIFE_S = 3600
MARGIN_S = 300
"""A token is replaced this long before it ends."""

_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Federation:
    """The trust at Google: `audience` is the full name of the pool's provider
    (`//iam.googleapis.com/projects/…/workloadIdentityPools/…/providers/…`), `account` the service account.
    """

    audience: str
    account: str
    sts: str = STS
    iam: str = IAM


def own_credentials() -> ReadOnlyCredentials:
    """The credentials of the function's role. Raises `NotSent` if there are none."""
    found = aws.session().get_credentials()
    if found is None:
        raise NotSent("credentials")
    try:
        return found.get_frozen_credentials()
    except BotoCoreError:
        raise NotSent("credentials") from None


class Identity:
    """Tokens with `scope` for `federation`'s account, kept in the process until they near their end."""

    def __init__(
        self,
        federation: Federation,
        scope: str,
        region: str,
        credentials: Callable[[], ReadOnlyCredentials] = own_credentials,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._federation = federation
        self._scope = scope
        self._region = region
        self._credentials = credentials
        self._clock = clock
        self._sts, self._iam = Api(federation.sts), Api(federation.iam)
        self.forget()
        snapshots.renews(self, Identity.forget)

    def forget(self) -> None:
        """Keep no token: the next call asks for one."""
        self._token, self._ends_at = "", 0

    def access_token(self) -> str:
        """Raises `NotSent`, `Refused`, `Unknown`."""
        if self._clock() > self._ends_at - MARGIN_S:
            self._token, self._ends_at = self._impersonated(self._exchanged())
        return self._token

    def _exchanged(self) -> str:
        """A token of the pool for our role."""
        signed = signed_identity(self._credentials(), self._region, self._federation.audience)
        body = {
            "audience": self._federation.audience,
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "scope": CLOUD_SCOPE,
            "subjectTokenType": "urn:ietf:params:aws:token-type:aws4_request",
            "subjectToken": signed,
        }
        reply = self._sts.send("POST", "/v1/token", {}, body)
        members = success(reply, word(reply.members, "error"))
        token = text(members, "access_token", _LONGEST)
        if token is None:
            raise Unknown("not_json")
        return token

    def _impersonated(self, pool_token: str) -> tuple[str, int]:
        """A token of the service account, and when it ends."""
        account = quote(self._federation.account, safe="@")
        path = f"/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        body = {"scope": [self._scope], "lifetime": f"{LIFE_S}s"}
        reply = self._iam.send("POST", path, bearer(pool_token), body)
        members = success(reply, word(child(reply.members, "error"), "status"))
        token, ends_at = text(members, "accessToken", _LONGEST), moment(members, "expireTime")
        if token is None or ends_at is None:
            raise Unknown("not_json")
        return token, ends_at


def signed_identity(credentials: ReadOnlyCredentials, region: str, audience: str) -> str:
    """The subject token: the signed request as JSON, percent-encoded. `audience` is signed too, so that it is
    of no use to another provider.
    """
    host = f"sts.{region}.amazonaws.com"
    url = f"https://{host}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest("POST", url, {"host": host, "x-goog-cloud-target-resource": audience}, b"")
    SigV4Auth(credentials, "sts", region).add_auth(request)
    headers = [{"key": name, "value": value} for name, value in request.headers.items()]
    return quote(json.dumps({"url": url, "method": "POST", "headers": headers}), safe="")
