# SPDX-License-Identifier: BSD-2-Clause
"""USDT probes of a Python program, declared while it runs.

    import udst

    shop = udst.Provider("shop")
    query = shop.probe("query", "str", "i32")
    shop.load()

    if query:                       # somebody traces it: worth preparing arguments
        query("select 1", 7)

    awl -p PID -e 'usdt:shop:query { printf("%s %d\\n", str(arg0), arg1); }'

Types are i8 u8 i16 u16 i32 u32 i64 u64 and str (text or bytes, as a pointer to NUL-terminated UTF-8).
Needs the shared library that udst.c makes: libudst.so, or the path in UDST_LIBRARY."""
import ctypes
import os

_TYPES = {"i8": -1, "u8": 1, "i16": -2, "u16": 2, "i32": -4, "u32": 4, "i64": -8, "u64": 8, "str": 8}
_lib = ctypes.CDLL(os.environ.get("UDST_LIBRARY", "libudst.so"))
_lib.udst_strerror.restype = ctypes.c_char_p
for _name, _args in {
        "udst_provider_create": [ctypes.c_char_p, ctypes.c_uint, ctypes.c_void_p],
        "udst_probe_add": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p],
        "udst_provider_load": [ctypes.c_void_p], "udst_provider_unload": [ctypes.c_void_p],
        "udst_provider_destroy": [ctypes.c_void_p], "udst_fire": [ctypes.c_void_p, ctypes.c_void_p]}.items():
    getattr(_lib, _name).argtypes = _args

FORCE, TMPFILE, NAMED = 1, 2, 4


def _check(result, what):
    if result < 0:
        raise OSError(-result, f"{what}: {_lib.udst_strerror(result).decode()}")


class Probe:
    """Call it to fire; it is true while somebody traces it."""

    def __init__(self, provider, handle, types):
        self._provider, self._handle, self._types = provider, handle, types
        self._args = ctypes.c_uint64 * max(len(types), 1)
        # The first word of a probe points to its counter, which never moves.
        self._counter = ctypes.c_uint16.from_address(ctypes.c_void_p.from_address(handle.value).value)

    def __bool__(self):
        return not self._provider.closed and self._counter.value != 0

    def __call__(self, *args):
        if not self:
            return
        if len(args) != len(self._types):
            raise TypeError(f"the probe has {len(self._types)} arguments, {len(args)} were given")
        kept, values = [], self._args()
        for i, (kind, value) in enumerate(zip(self._types, args)):
            if kind == "str":
                text = ctypes.c_char_p(value.encode() if isinstance(value, str) else value)
                kept.append(text)  # until the probe has fired
                value = ctypes.cast(text, ctypes.c_void_p).value or 0
            values[i] = value & 0xffffffffffffffff
        _lib.udst_fire(self._handle, values)


class Provider:
    def __init__(self, name, flags=0):
        self._handle, self.closed = ctypes.c_void_p(), False
        _check(_lib.udst_provider_create(name.encode(), flags, ctypes.byref(self._handle)), f"provider {name}")

    def probe(self, name, *types):
        """Adds a probe; it can be seen from the next load() on."""
        codes = (ctypes.c_byte * max(len(types), 1))(*(_TYPES[t] for t in types))
        handle = ctypes.c_void_p()
        _check(_lib.udst_probe_add(self._handle, name.encode(), len(types), codes, ctypes.byref(handle)),
               f"probe {name}")
        return Probe(self, handle, types)

    def load(self):
        _check(_lib.udst_provider_load(self._handle), "load")

    def unload(self):
        _check(_lib.udst_provider_unload(self._handle), "unload")

    def close(self):
        """The provider's probes are never true again."""
        if not self.closed:
            self.closed = True
            _lib.udst_provider_destroy(self._handle)
