"""A hint to the processor for compiled loops: this row of a table will be written soon."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

WRITE, KEEP, DATA = 1, 2, 1  # arguments of LLVM's `prefetch`: for writing, kept in the second-level cache


@intrinsic
def prefetch_row(typing_context: Any, table: Any, row: Any) -> Any:
    """Fetch the first bytes of `table[row]` into the cache, without waiting; the row must exist."""
    if not (isinstance(table, types.Array) and isinstance(row, types.Integer)):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = cgutils.unpack_tuple(builder, array.strides)[0]
        number = context.cast(builder, arguments[1], signature.args[1], types.intp)
        address_type = ir.IntType(8).as_pointer()
        address = builder.gep(builder.bitcast(array.data, address_type), [builder.mul(number, stride)])
        integer = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [address_type, integer, integer, integer]),
            "llvm.prefetch.p0i8",
        )
        builder.call(function, [address, *(ir.Constant(integer, value) for value in (WRITE, KEEP, DATA))])
        return context.get_dummy_value()

    return types.void(table, row), generate
