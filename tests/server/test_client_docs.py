"""docs/client.md and its example do what they say, against a real server."""

import asyncio
import re
import shlex
import sys
from pathlib import Path

import pytest
from factories import free_port
from server.factories_server import House

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "client.md").read_text()
EXAMPLE = ROOT / "docs" / "examples" / "client.py"
SOURCES = ROOT / "server" / "pagecast" / "server"


async def run(*command: str) -> tuple[int | None, str, str]:
    """Exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


async def test_the_example_streams_a_page(house: House) -> None:
    version = house.train_champion()
    port = free_port()
    async with house.serve(port=port):
        code, out, err = await run(
            sys.executable, str(EXAMPLE), "ada", "--target", f"127.0.0.1:{port}"
        )
    assert (code, err) == (0, "")
    assert f"model {version}" in out
    assert re.search(r"^Comedy: Film m\d+, ", out, re.MULTILINE)
    assert "complete after" in out


async def test_the_example_says_when_a_page_is_degraded(house: House) -> None:
    port = free_port()
    async with house.serve(port=port):
        code, out, _ = await run(
            sys.executable, str(EXAMPLE), "ada", "--target", f"127.0.0.1:{port}"
        )
    assert code == 0
    assert "degraded: MODEL_NOT_LOADED" in out


async def test_the_example_explains_errors(empty_house: House) -> None:
    port = free_port()
    target = f"127.0.0.1:{port}"
    async with empty_house.serve(port=port):
        code, _, err = await run(sys.executable, str(EXAMPLE), "", "--target", target)
        assert (code, err.split(" | ")[:2]) == (1, ["INVALID_ARGUMENT", "INVALID_REQUEST"])
        assert "see field user_id" in err
        code, _, err = await run(sys.executable, str(EXAMPLE), "ada", "--target", target)
        assert (code, err.split(" | ")[:2]) == (1, ["UNAVAILABLE", "CATALOG_EMPTY"])
    code, _, err = await run(sys.executable, str(EXAMPLE), "ada", "--target", target)
    assert (code, err.split(" | ")[0]) == (1, "UNAVAILABLE")


async def test_the_command_for_the_shell_works_by_reflection(house: House) -> None:
    [block] = [b for b in re.findall(r"```\n(.*?)```", DOCUMENT, re.DOTALL) if "buf curl" in b]
    command = shlex.split(block.replace("\\\n", " "))
    port = free_port()
    assert command[0] == "buf"
    command = [str(Path(sys.executable).parent / "buf"), *command[1:]]
    async with house.serve(port=port):
        code, out, err = await run(*(part.replace("50051", str(port)) for part in command))
    assert (code, err) == (0, "")
    assert '"pageStarted"' in out
    assert '"pageCompleted"' in out


@pytest.mark.parametrize("pattern", [r'reason="([A-Z_]+)"', r'^([A-Z_]+) = "\1"$'])
def test_every_reason_is_in_the_document(pattern: str) -> None:
    source = "\n".join(path.read_text() for path in SOURCES.rglob("*.py"))
    reasons = set(re.findall(pattern, source, re.MULTILINE)) - {"INTERNAL"}
    assert reasons
    assert {reason for reason in reasons if f"`{reason}`" not in DOCUMENT} == set()


async def test_the_example_that_paginates_shows_the_page_of_one_call(house: House) -> None:
    house.train_champion()
    port = free_port()
    target = f"127.0.0.1:{port}"
    async with house.serve(port=port) as served:
        whole = await served.page("ada", rows=40, requested_at=None)
        # One replica of two is down.
        example = str(EXAMPLE.with_name("paginate.py"))
        down = f"127.0.0.1:{free_port()}"
        code, out, err = await run(
            sys.executable, example, "ada", "--target", down, "--target", target
        )
    assert (code, err) == (0, "")
    shown = re.findall(r"^(\d+)\. ", out, re.MULTILINE)
    assert shown == [str(position + 1) for position in range(len(shown))]
    assert len(shown) == len(whole.rows) > 3


async def test_the_example_that_browses_sees_a_page_that_follows(house: House) -> None:
    house.train_champion()
    port = free_port()
    example = str(EXAMPLE.with_name("browse.py"))
    async with house.serve(port=port) as served:
        code, out, err = await run(sys.executable, example, "ada", "--target", f"127.0.0.1:{port}")
        assert served.metric("pagecast_action_to_row_seconds_count") == 1
    assert (code, err) == (0, "")
    rows = dict(re.findall(r"^(\d)\. (.*)$", out, re.MULTILINE))
    [hidden] = re.findall(r"^   hides (.*)$", out, re.MULTILINE)
    assert list(rows) == ["1", "2", "3", "4"]
    assert f"{hidden}," in rows["1"]
    assert not any(f"{hidden}," in f"{row}," for number, row in rows.items() if number != "1")
    assert out.endswith("complete\n")
