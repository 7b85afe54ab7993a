"""Release VERSION of a gRPC server without generated code: messages are bytes."""

import sys
import threading
from concurrent import futures

import grpc

VERSION = sys.argv[1].encode()


def head(context):
    """Metadata both ways: what came goes back, at the beginning and at the end."""
    got = dict(context.invocation_metadata())
    context.send_initial_metadata([("x-begin", got.get("x-word", "")), ("x-bytes-bin", got.get("x-bytes-bin", b""))])
    context.set_trailing_metadata([("x-end", got.get("x-word", "")), ("x-release", VERSION.decode())])


def unary(request, context):
    head(context)
    return VERSION + b" " + request


def collect(requests, context):
    head(context)
    return VERSION + b" " + b",".join(requests)


def count(request, context):
    head(context)
    for number in range(int(request)):
        yield VERSION + b" %d" % number


def chat(requests, context):
    head(context)
    for request in requests:
        yield VERSION + b" " + request


def fail(request, context):
    head(context)
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "100 % ümlaut\nand more")


def break_off(request, context):
    """A status after some messages."""
    yield b"one"
    context.abort(grpc.StatusCode.DATA_LOSS, "that was all")


def hang(request, context):
    """Until it is cancelled, which it says."""
    head(context)
    gone = threading.Event()
    context.add_callback(gone.set)
    print("hangs", request.decode())
    gone.wait()
    print("cancelled", request.decode())
    return iter(())


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Collect": grpc.stream_unary_rpc_method_handler(collect),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "BreakOff": grpc.unary_stream_rpc_method_handler(break_off),
    "Hang": grpc.unary_stream_rpc_method_handler(hang),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=50))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Talk", METHODS)])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listening 127.0.0.1:{port}")
server.wait_for_termination()
