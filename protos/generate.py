"""Makes the stubs of `pagecast/v1/*.proto`; `--check` fails if the committed ones differ.

protovalidate's wheel carries the descriptor of `buf/validate/validate.proto` but neither its
source nor google-protobuf stubs. Both are derived from that descriptor here, so that the rules the
protos are compiled with are the ones the installed validator knows.
"""

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import (
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    timestamp_pb2,
)
from protovalidate._gen.buf.validate import validate_pb

PROTOS = Path(__file__).parent
OUTPUTS = ("pagecast/v1/*_pb2*.py*", "buf/validate/*_pb2.py*")


def write_rules_descriptor(path: Path) -> None:
    """Writes a FileDescriptorSet of validate.proto and what it imports."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, timestamp_pb2, duration_pb2, field_mask_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    path.write_bytes(files.SerializeToString())


def protoc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)


def sources() -> list[str]:
    return sorted(str(p.relative_to(PROTOS)) for p in PROTOS.glob("pagecast/v1/*.proto"))


def generate(out: Path) -> None:
    """Writes all stubs below `out`."""
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch) / "rules.binpb"
        write_rules_descriptor(rules)
        bin_dir = Path(sys.executable).parent
        inputs = [f"--descriptor_set_in={rules}", f"-I{PROTOS}"]
        mypy = [
            f"--plugin=protoc-gen-mypy={bin_dir / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
        ]
        protoc(
            *inputs, *mypy, f"--python_out={out}", f"--mypy_out=quiet:{out}",
            *sources(), "buf/validate/validate.proto",
        )  # fmt: skip
        services = [s for s in sources() if "\nservice " in (PROTOS / s).read_text()]
        protoc(
            *inputs, *mypy, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *services
        )


def image(path: Path) -> None:
    """Writes the image that `buf lint` and `buf breaking` read."""
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch) / "rules.binpb"
        write_rules_descriptor(rules)
        protoc(
            f"--descriptor_set_in={rules}", f"-I{PROTOS}",
            "--include_source_info", "--include_imports", "-o", str(path), *sources(),
        )  # fmt: skip


def generated(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for pattern in OUTPUTS for p in root.glob(pattern)}


def check() -> int:
    """Returns 1 and says what differs if the committed stubs are not what `generate` makes."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        generate(out)
        names = generated(out) | generated(PROTOS)
        _, differing, missing = filecmp.cmpfiles(out, PROTOS, sorted(names), shallow=False)
    for name in differing + missing:
        print(f"{name} is not what the protos make: run `make proto`", file=sys.stderr)
    return 1 if differing or missing else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--image", type=Path, help="write the image for buf and stop")
    arguments = parser.parse_args()
    if arguments.image:
        image(arguments.image)
        return 0
    if arguments.check:
        return check()
    for name in generated(PROTOS):
        (PROTOS / name).unlink()
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        shutil.copytree(scratch, PROTOS, dirs_exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
