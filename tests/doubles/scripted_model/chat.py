"""/v1/chat/completions: reading the request, and saying an Answer as one JSON object or as server-sent events."""
import json
import time


def read(body):
    """The request's parts that matter: tools, tool results so far, room for tokens, all text."""
    tools = {}
    for t in body.get("tools") or []:
        if isinstance(t, dict) and t.get("type") == "function":
            f = t.get("function") or {}
            tools[f.get("name", "")] = f.get("parameters") or {}
    messages = body.get("messages") or []
    done = sum(1 for m in messages if m.get("role") == "tool")
    room = body.get("max_completion_tokens", body.get("max_tokens"))
    return tools, done, room


def usage(n_in, answer):
    said = len(answer.text) + len(json.dumps(answer.call[1])) if answer.call else len(answer.text)
    thought = len(answer.reasoning) // 4
    out = said // 4 + thought
    return {"prompt_tokens": n_in // 4, "completion_tokens": out, "total_tokens": n_in // 4 + out,
            "completion_tokens_details": {"reasoning_tokens": thought}}


def finish(answer):
    return "tool_calls" if answer.call else "length" if answer.length else "stop"


def whole(answer, model, number, n_in):
    message = {"role": "assistant", "content": answer.text or None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.call:
        name, args = answer.call
        message["tool_calls"] = [{"id": f"call_{number}", "type": "function",
                                  "function": {"name": name, "arguments": json.dumps(args)}}]
    return {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": int(time.time()), "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish(answer)}],
            "usage": usage(n_in, answer)}


def events(answer, model, number, n_in, piece, body):
    """The events as bytes, one at a time."""
    created = int(time.time())

    def chunk(choices, **more):
        return b"data: " + json.dumps({"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": created,
                                       "model": model, "choices": choices, **more}).encode() + b"\n\n"

    def delta(d, reason=None):
        return chunk([{"index": 0, "delta": d, "logprobs": None, "finish_reason": reason}])

    yield delta({"role": "assistant", "content": ""})
    for i in range(0, len(answer.reasoning), piece):
        yield delta({"reasoning_content": answer.reasoning[i:i + piece]})
    for i in range(0, len(answer.text), piece):
        yield delta({"content": answer.text[i:i + piece]})
    if answer.call:
        name, args = answer.call
        args = json.dumps(args)
        yield delta({"tool_calls": [{"index": 0, "id": f"call_{number}", "type": "function",
                                     "function": {"name": name, "arguments": ""}}]})
        for i in range(0, len(args), piece):
            yield delta({"tool_calls": [{"index": 0, "function": {"arguments": args[i:i + piece]}}]})
    yield delta({}, finish(answer))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield chunk([], usage=usage(n_in, answer))
    yield b"data: [DONE]\n\n"
