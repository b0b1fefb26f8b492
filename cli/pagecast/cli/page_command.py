"""`pagecast page` from options to a page on the terminal; the command's own file is its options."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pagecast.cli.browsing import Deed, Reader, browsed, deeds_of
from pagecast.cli.client import Client
from pagecast.cli.discovery import server_address
from pagecast.cli.exact import exact_of
from pagecast.cli.exits import InputError
from pagecast.cli.output import Output
from pagecast.cli.pages import Page, gather
from pagecast.cli.pageview import PageView
from pagecast.cli.settings import Settings, load_settings
from pagecast.v1 import events_pb2, homepage_pb2


@dataclass(frozen=True, kw_only=True)
class PageCommand:
    """The command's options, as given."""

    user: str
    rows: int
    entities: int
    exact: str
    seed: int
    temperature: float
    top_p: float
    device: str
    country: str
    carry_on: str
    replay: str
    browse: bool
    click: Sequence[str]
    play: Sequence[str]
    hide: Sequence[str]
    rows_ahead: int
    server: str | None
    state_dir: Path | None
    as_json: bool

    def run(self) -> None:
        """Streams, browses or replays the page. Raises CliError that says what to do."""
        settings = load_settings(state_dir=self.state_dir, server_address=self.server)
        output = Output(as_json=self.as_json)
        if self.user and self.replay:
            raise InputError("--replay: the page has a user already", "leave out the user")
        if not self.user and not self.replay:
            raise InputError(
                "name a user, or a page with --replay", "for example `pagecast page 12`"
            )
        if self.replay:
            self._replay(settings, output)
            return
        if self.top_p < 1 and not self.temperature:
            raise InputError("--top-p: nothing is drawn", "add --temperature, above 0")
        request, deeds = self._request(), self._deeds()
        if self.browse:
            self._browse(settings, output, Reader(request, deeds, self.rows_ahead))
            return
        with Client(server_address(settings)) as client:
            shown = gather(client.stream_page(request), PageView(output.console).show)
        _tell(output, shown)
        output.document(shown.to_dict())

    def _replay(self, settings: Settings, output: Output) -> None:
        # It loads models, which no other page needs.
        from pagecast.cli.logs import configure_logging
        from pagecast.cli.replaying import replay_page

        # Loading a bundle is logged, and stdout is for the document.
        configure_logging(settings, level="warning")
        replay_page(self.replay, settings, output)

    def _browse(self, settings: Settings, output: Output, reader: Reader) -> None:
        with Client(server_address(settings)) as client:
            shown = browsed(client, reader, PageView(output.console), output)
        _tell(output, shown)
        output.document({**shown.to_dict(), **reader.to_dict()})
        reader.refuse_undone()

    def _request(self) -> homepage_pb2.StreamHomepageRequest:
        *exact_by_row, exact_below = exact_of(self.exact)
        try:
            return homepage_pb2.StreamHomepageRequest(
                user_id=self.user,
                context=events_pb2.RequestContext(device=self.device, country=self.country),
                rows=self.rows,
                entities_per_row=self.entities,
                exact_entities=exact_below,
                exact_entities_by_row=exact_by_row,
                granularity=homepage_pb2.GRANULARITY_ENTITIES,
                seed=self.seed,
                continuation=self.carry_on,
                sampling=events_pb2.Sampling(temperature=self.temperature, top_p=self.top_p),
            )
        except ValueError as error:
            raise InputError(
                f"what is told is no UTF-8: {error}",
                "mend the user, --device, --country or --continue",
            ) from error

    def _deeds(self) -> list[Deed]:
        told = (("click", self.click), ("play", self.play), ("hide", self.hide))
        deeds = [deed for action, places in told for deed in deeds_of(action, places)]
        if deeds and not self.browse:
            raise InputError(
                "--click, --play and --hide are for a page that is browsed", "add --browse"
            )
        return deeds


def _tell(output: Output, shown: Page) -> None:
    version = shown.started.model_version or f"none ({shown.started.degraded_reason})"
    times = f"first row {shown.first_row_ms:.0f} ms · page {shown.page_ms:.0f} ms"
    output.say((f"{times} · model {version}", "dim"))
