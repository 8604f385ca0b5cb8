"""Types of the part of msgpack that the node uses; the wheel ships none."""

class UnpackException(Exception): ...

def packb(value: object, *, use_bin_type: bool = True) -> bytes: ...
def unpackb(
    packed: bytes,
    *,
    raw: bool = False,
    use_list: bool = True,
    strict_map_key: bool = True,
    max_str_len: int = -1,
    max_bin_len: int = -1,
    max_array_len: int = -1,
    max_map_len: int = -1,
    max_ext_len: int = -1,
) -> object: ...
