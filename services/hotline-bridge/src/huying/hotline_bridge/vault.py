"""The identity vault, which intake keeps: names and numbers go there and a reference comes back. Nothing is kept here."""

import httpx
from pydantic import ValidationError

from huying.chassis.errors import Transient
from huying.chassis.problem import Problem
from huying.contracts.reports import Reporter, ReporterRef

from .settings import Settings

PATH = "/v1/vault/identities"


class Vault:
    """A client of the vault."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` replaces the network in tests."""
        key = settings.vault_key.get_secret_value() if settings.vault_key else None
        self._client = httpx.AsyncClient(
            base_url=settings.vault_url,
            timeout=settings.vault_patience.total_seconds(),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            transport=transport,
        )

    async def reference(self, reporter: Reporter, scope: str) -> ReporterRef:
        """The person's reference and masked form; `scope` tells apart people of whom only a name is told.

        Raises:
            Transient: the vault cannot take it now; nothing was stored.
            Problem: the vault says that the reporter is not valid.
        """
        body = {**reporter.model_dump(exclude_none=True), "scope": scope}
        try:
            answer = await self._client.post(PATH, json=body)
        except httpx.TransportError as error:
            raise Transient(f"the vault does not answer: {type(error).__name__}") from error
        if answer.status_code == 422:
            raise Problem(422, "Invalid order", "reporter: the vault cannot read name or numbers; correct them")
        if answer.status_code >= 300:
            raise Transient(f"the vault answers {answer.status_code}; check HUYING_VAULT_URL and HUYING_VAULT_KEY")
        try:
            return ReporterRef.model_validate_json(answer.content)
        except ValidationError as error:
            raise Transient("what answers is no vault; check HUYING_VAULT_URL") from error

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
