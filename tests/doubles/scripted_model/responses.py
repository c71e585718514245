"""/v1/responses: reading the request, and saying an Answer as one JSON object or as server-sent events."""
import json
import time


def read(body):
    """As chat.read(). Tools that are neither functions nor take text (web search, ...) have nothing for us."""
    tools = {}
    for t in body.get("tools") or []:
        if isinstance(t, dict) and t.get("type") == "function":
            tools[t.get("name", "")] = t.get("parameters") or {}
        elif isinstance(t, dict) and t.get("type") == "custom":
            tools[t.get("name", "")] = None
    given = body.get("input")
    items = given if isinstance(given, list) else []
    done = sum(1 for i in items if isinstance(i, dict) and str(i.get("type", "")).endswith("_call_output"))
    return tools, done, body.get("max_output_tokens")


def usage(n_in, answer):
    said = len(answer.text) + (len(json.dumps(answer.call[1])) if answer.call else 0)
    thought = len(answer.reasoning) // 4
    out = said // 4 + thought
    return {"input_tokens": n_in // 4, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": out,
            "output_tokens_details": {"reasoning_tokens": thought}, "total_tokens": n_in // 4 + out}


def items(answer, number):
    out = []
    if answer.reasoning:
        out.append({"type": "reasoning", "id": f"rs_{number}", "summary": [{"type": "summary_text", "text": answer.reasoning}]})
    if answer.text:
        out.append({"type": "message", "id": f"msg_{number}", "status": "completed", "role": "assistant",
                    "content": [{"type": "output_text", "text": answer.text, "annotations": []}]})
    if answer.call:
        name, args = answer.call
        kind = {"type": "custom_tool_call", "input": args} if isinstance(args, str) else \
            {"type": "function_call", "arguments": json.dumps(args)}
        out.append({**kind, "id": f"fc_{number}", "call_id": f"call_{number}", "status": "completed", "name": name})
    return out


def response(model, number, **more):
    return {"id": f"resp_{number}", "object": "response", "created_at": int(time.time()), "model": model, "error": None,
            "incomplete_details": None, "status": "in_progress", "output": [], "usage": None, **more}


def ended(answer, model, number, n_in):
    more = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}} if answer.length else {"status": "completed"}
    return response(model, number, output=items(answer, number), usage=usage(n_in, answer), **more)


whole = ended


def events(answer, model, number, n_in, piece, _body):
    """The events as bytes, one at a time."""
    count = 0

    def event(name, **data):
        nonlocal count
        text = json.dumps({"type": name, "sequence_number": count, **data})
        count += 1
        return f"event: {name}\ndata: {text}\n\n".encode()

    yield event("response.created", response=response(model, number))
    yield event("response.in_progress", response=response(model, number))
    for index, item in enumerate(items(answer, number)):
        where = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "reasoning":
            yield event("response.output_item.added", output_index=index, item={**item, "summary": []})
            text = item["summary"][0]["text"]
            yield event("response.reasoning_summary_part.added", summary_index=0, part={"type": "summary_text", "text": ""}, **where)
            for i in range(0, len(text), piece):
                yield event("response.reasoning_summary_text.delta", summary_index=0, delta=text[i:i + piece], **where)
            yield event("response.reasoning_summary_text.done", summary_index=0, text=text, **where)
        elif item["type"] == "message":
            part = item["content"][0]
            yield event("response.output_item.added", output_index=index, item={**item, "status": "in_progress", "content": []})
            yield event("response.content_part.added", content_index=0, part={**part, "text": ""}, **where)
            for i in range(0, len(part["text"]), piece):
                yield event("response.output_text.delta", content_index=0, delta=part["text"][i:i + piece], **where)
            yield event("response.output_text.done", content_index=0, text=part["text"], **where)
            yield event("response.content_part.done", content_index=0, part=part, **where)
        else:
            key, name = ("input", "custom_tool_call_input") if "input" in item else ("arguments", "function_call_arguments")
            args = item[key]
            yield event("response.output_item.added", output_index=index, item={**item, "status": "in_progress", key: ""})
            for i in range(0, len(args), piece):
                yield event(f"response.{name}.delta", delta=args[i:i + piece], **where)
            yield event(f"response.{name}.done", **{key: args}, **where)
        yield event("response.output_item.done", output_index=index, item=item)
    last = ended(answer, model, number, n_in)
    yield event("response." + last["status"], response=last)
