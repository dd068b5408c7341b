"""Writes the OCI image that packaging/Dockerfile builds, as a file for docker load, podman load and skopeo."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from pathlib import Path

import tarball
from archive import epoch
from metadata import ROOT, version


def settings() -> dict[str, object]:
    """Returns what the Dockerfile's last stage says about the process to start."""
    last = (ROOT / "packaging/Dockerfile").read_text().partition("FROM scratch\n")[2]
    said = dict(re.findall(r"^(WORKDIR|USER|EXPOSE|ENTRYPOINT|CMD) (.+)$", last, re.M))
    return {
        "Entrypoint": json.loads(said["ENTRYPOINT"]),
        "Cmd": json.loads(said["CMD"]),
        "User": said["USER"],
        "WorkingDir": said["WORKDIR"],
        "ExposedPorts": {said["EXPOSE"] + "/tcp": {}},
        "Labels": {"org.opencontainers.image.version": version(), "org.opencontainers.image.licenses": "MIT"},
    }


def copied() -> str:
    """Returns the path of the binary in the image."""
    text = (ROOT / "packaging/Dockerfile").read_text()
    found = re.search(r"-o /image(/\S+)", text)
    if found is None or "\nCOPY --from=build /image /\n" not in text:
        raise SystemExit("packaging/Dockerfile does not build below /image and copy that")
    return found.group(1)


def write(path: Path, binary: bytes, machine: str) -> None:
    says = settings()
    layer = tarball.pack(
        {copied().lstrip("/"): (0o755, binary), str(says["WorkingDir"]).strip("/") + "/": (0o1777, b"")}
    )
    made = datetime.datetime.fromtimestamp(epoch(), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = encode(
        {
            "architecture": machine,
            "os": "linux",
            "created": made,
            "config": says,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            "history": [{"created": made, "created_by": "packaging/Dockerfile"}],
        }
    )
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described("application/vnd.oci.image.config.v1+json", config),
            "layers": [described("application/vnd.oci.image.layer.v1.tar", layer)],
        }
    )
    name = {"org.opencontainers.image.ref.name": version(), "io.containerd.image.name": "gonicorn:" + version()}
    index = {
        "schemaVersion": 2,
        "manifests": [{**described("application/vnd.oci.image.manifest.v1+json", manifest), "annotations": name}],
    }
    # docker load before version 25 reads manifest.json.
    old = [{"Config": blob(config), "RepoTags": ["gonicorn:" + version()], "Layers": [blob(layer)]}]
    files = {blob(data): data for data in (layer, config, manifest)}
    files.update(
        {
            "oci-layout": encode({"imageLayoutVersion": "1.0.0"}),
            "index.json": encode(index),
            "manifest.json": encode(old),
        }
    )
    path.write_bytes(tarball.pack({name: (0o644, data) for name, data in files.items()}))


def encode(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob(data: bytes) -> str:
    return "blobs/sha256/" + hashlib.sha256(data).hexdigest()


def described(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest(data), "size": len(data)}
