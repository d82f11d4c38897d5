"""Content codings as clients write them. Python has gzip and deflate; br and zstd come from the libraries that weir links."""

import ctypes
import functools
import gzip
import zlib


@functools.cache
def _library(name: str) -> ctypes.CDLL:
    return ctypes.CDLL(name)


def zstd(data: bytes) -> bytes:
    library = _library("libzstd.so.1")
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(library.ZSTD_compressBound(ctypes.c_size_t(len(data))))
    size = library.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 3)
    assert size <= len(out)
    return out.raw[:size]


def br(data: bytes) -> bytes:
    out = ctypes.create_string_buffer(len(data) + 4096)
    size = ctypes.c_size_t(len(out))
    done = _library("libbrotlienc.so.1").BrotliEncoderCompress(
        5, 22, 0, ctypes.c_size_t(len(data)), data, ctypes.byref(size), out
    )
    assert done == 1
    return out.raw[: size.value]


def gzip_(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


CODINGS = {"gzip": gzip_, "deflate": zlib.compress, "br": br, "zstd": zstd}
