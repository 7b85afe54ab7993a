"""A gRPC client of the proxy at PORT, in the clear or (by AUTHORITY) with TLS."""

import os
import queue
import sys

import grpc

what, host, port, authority = sys.argv[1:]

if authority:
    credentials = grpc.ssl_channel_credentials(open(authority, "rb").read())
    options = [("grpc.ssl_target_name_override", host)]
    channel = grpc.secure_channel(f"127.0.0.1:{port}", credentials, options)
else:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.default_authority", host)])

unary = channel.unary_unary("/test.Talk/Unary")
collect = channel.stream_unary("/test.Talk/Collect")
count = channel.unary_stream("/test.Talk/Count")
chat = channel.stream_stream("/test.Talk/Chat")
fail = channel.unary_unary("/test.Talk/Fail")
break_off = channel.unary_stream("/test.Talk/BreakOff")
hang = channel.unary_stream("/test.Talk/Hang")

# Nothing here takes this long.
LIMIT = 60


class Line:
    """The requests of a stream, one by one as they are said."""

    def __init__(self):
        self.waiting = queue.Queue()

    def say(self, word):
        self.waiting.put(word)

    def __iter__(self):
        return iter(self.waiting.get, None)


def code_of(call, *arguments, **options):
    try:
        result = call(*arguments, timeout=LIMIT, **options)
        list(result) if hasattr(result, "__next__") else None
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def metadata_of(call):
    return dict(call.initial_metadata()), dict(call.trailing_metadata())


def all_kinds():
    word = [("x-word", "hello"), ("x-bytes-bin", bytes(range(256)))]
    right = lambda begin, end: (
        begin["x-begin"] == "hello" and begin["x-bytes-bin"] == bytes(range(256))
        and end["x-end"] == "hello" and end["x-release"] == "1"
    )

    answer, call = unary.with_call(b"hi", metadata=word, timeout=LIMIT)
    assert answer == b"1 hi" and right(*metadata_of(call)), metadata_of(call)
    large = os.urandom(3_000_000)
    assert unary(large, timeout=LIMIT) == b"1 " + large
    assert unary(b"", timeout=LIMIT) == b"1 "

    answer, call = collect.with_call(iter([b"a", b"b", b"c"]), metadata=word, timeout=LIMIT)
    assert answer == b"1 a,b,c" and right(*metadata_of(call))
    assert collect(iter([]), timeout=LIMIT) == b"1 "

    call = count(b"1000", metadata=word, timeout=LIMIT)
    assert list(call) == [b"1 %d" % number for number in range(1000)]
    assert right(*metadata_of(call))
    assert list(count(b"0", timeout=LIMIT)) == []

    # Each word is answered before the next one is said.
    line = Line()
    call = chat(iter(line), metadata=word, timeout=LIMIT)
    for number in range(100):
        line.say(b"%d" % number)
        assert next(call) == b"1 %d" % number
    line.say(None)
    assert list(call) == [] and right(*metadata_of(call))


def failures():
    assert code_of(fail, b"") == (grpc.StatusCode.FAILED_PRECONDITION, "100 % ümlaut\nand more")
    call, got = break_off(b"", timeout=LIMIT), []
    try:
        for message in call:
            got.append(message)
    except grpc.RpcError as error:
        assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "that was all")
    assert got == [b"one"]
    unknown = channel.unary_unary("/test.Talk/Nothing")
    assert code_of(unknown, b"")[0] == grpc.StatusCode.UNIMPLEMENTED
    # One call that the client gives up by its deadline, and one that it gives up by itself.
    try:
        list(hang(b"deadline", timeout=0.5))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    call = hang(b"by hand")
    # Its head tells that the call has arrived.
    assert "x-begin" in dict(call.initial_metadata())
    call.cancel()
    assert unary(b"still", timeout=LIMIT) == b"1 still"


def flip():
    """Streams that are open stay with release 1 until they end; new calls go to release 2."""
    lines = [Line() for _ in range(10)]
    calls = [chat(iter(line), timeout=LIMIT) for line in lines]

    def all_say(word):
        for line, call in zip(lines, calls):
            line.say(word)
            assert next(call) == b"1 " + word

    all_say(b"before")
    half = collect.future((word for word in iter(half_line)), timeout=LIMIT)
    half_line.say(b"before")
    print("open", len(lines))
    requests = 0
    while unary(b"", timeout=LIMIT) != b"2 ":
        requests += 1
        all_say(b"meanwhile")
    for _ in range(100):
        assert unary(b"", timeout=LIMIT) == b"2 "
        all_say(b"after")
    for line, call in zip(lines, calls):
        line.say(None)
        assert list(call) == [] and call.code() == grpc.StatusCode.OK
    half_line.say(b"after")
    half_line.say(None)
    assert half.result() == b"1 before,after"
    print("flipped after", requests)


half_line = Line()
if what == "kinds":
    all_kinds()
    failures()
elif what == "flip":
    flip()
else:
    # Which code the proxy's own answer is, for each kind of call.
    codes = [code_of(call, b"10") for call in (unary, count)]
    codes += [code_of(call, iter([b"10"])) for call in (collect, chat)]
    assert len({code for code, _ in codes}) == 1, codes
    print("code", codes[0][0].value[0], codes[0][1])
