"""What schemathesis is to send where a body is a text of its own kind: the text, as it stands."""

import schemathesis


@schemathesis.serializer("application/toml", "application/x-ndjson", "text/csv", "text/vcard")
def text(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
