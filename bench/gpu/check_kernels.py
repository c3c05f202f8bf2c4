"""Whether a GPU can compute every operation of a graph: check_kernels.py FOLDER < OPERATIONS. FOLDER has the CUDA build of libtensorflow, which
lists its kernels on a machine without a GPU too; OPERATIONS is what operations.mjs prints. An operation that has none for a GPU would run on the
processor, with transfers around it. Exits with 1 if there is one."""
import ctypes
import json
import os
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """The fields of a protocol buffer's message: (number, value)."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        else:
            length = 4 if kind == 5 else 8
            value, at = data[at:at + length], at + length
        yield key >> 3, value


def numbers(value):
    """Repeated numbers, packed or one by one."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        one, at = varint(value, at)
        found.append(one)
    return found


def constraint(data):
    """A kernel's constraint on one of its types: (name, types)."""
    parts = dict(fields(data))
    lists = [value for number, value in fields(parts.get(2, b'')) if number == 1]
    types = [value for each in lists for number, value in fields(each) if number == 6]
    return parts[1].decode(), [one for value in types for one in numbers(value)]


class Buffer(ctypes.Structure):
    _fields_ = [('data', ctypes.c_void_p), ('length', ctypes.c_size_t), ('deallocator', ctypes.c_void_p)]


def library(folder):
    os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'
    ctypes.CDLL(os.path.join(folder, 'libtensorflow_framework.so.2'), mode=ctypes.RTLD_GLOBAL)
    loaded = ctypes.CDLL(os.path.join(folder, 'libtensorflow_cc.so.2'))
    loaded.TF_NewStatus.restype = ctypes.c_void_p
    loaded.TF_GetRegisteredKernelsForOp.restype = ctypes.c_void_p
    loaded.TF_GetRegisteredKernelsForOp.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    return loaded


def kernels(tensorflow, status, op):
    """(device, {type: those it takes}) of each kernel of an operation."""
    buffer = Buffer.from_address(tensorflow.TF_GetRegisteredKernelsForOp(op.encode(), status))
    for number, kernel in fields(ctypes.string_at(buffer.data, buffer.length)):
        if number == 1:
            parts = list(fields(kernel))
            device = next(value.decode() for field, value in parts if field == 2)
            yield device, dict(constraint(value) for field, value in parts if field == 3)


def main():
    operations = json.load(sys.stdin)
    tensorflow = library(sys.argv[1])
    status = tensorflow.TF_NewStatus()
    missing = []
    for operation in operations:
        types = operation['types']
        # DEFAULT kernels run wherever their data are.
        if not any(
            device in ('GPU', 'DEFAULT') and all(name not in types or types[name] in allowed for name, allowed in takes.items())
            for device, takes in kernels(tensorflow, status, operation['op'])
        ):
            missing.append(f"{operation['op']} {types}")
    names = {operation['op'] for operation in operations}
    if missing:
        sys.exit('no kernel for a GPU: ' + '; '.join(missing))
    print(f'a GPU has kernels for all {len(names)} operations, in {len(operations)} combinations of types')


main()
