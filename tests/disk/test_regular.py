"""What a path may lead to: only a regular file of a bounded size is read, and nothing hangs or fills the memory."""

import os
import socket
from pathlib import Path

import pytest

from chargeplan.disk.regular import UnfitFileError, open_regular, read_regular


def test_a_regular_file_is_read_whole(tmp_path):
    (tmp_path / "x").write_bytes(b"content")
    assert read_regular(tmp_path / "x") == b"content"


def pipe(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("make", [pipe, unix_socket, os.mkdir])
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(OSError):
        open_regular(tmp_path / "x")


def test_a_device_that_never_ends_is_refused():
    with pytest.raises(UnfitFileError) as refused:
        read_regular(Path("/dev/zero"))
    assert refused.value.strerror == "it is no regular file"


def test_a_file_may_have_its_limit_and_not_a_byte_more(tmp_path):
    (tmp_path / "x").write_bytes(b"12345678")
    assert read_regular(tmp_path / "x", limit=8) == b"12345678"
    with pytest.raises(UnfitFileError):
        read_regular(tmp_path / "x", limit=7)
