// The Gemini wire: generateContent, streamGenerateContent as server-sent events, batchEmbedContents. Source
// of the shapes: Google's Gemini API reference and the types of its SDKs. Its paths stand behind a base URL
// that names the version (".../v1beta").
//
// What is particular to it:
// - A stream has no terminator: it is whole when every candidate that spoke got its finishReason. kEnd comes
//   from finish(), since usage may still follow.
// - Function calls come whole, with or without ids; those that are missing are made up from the answer's id.
// - Thought signatures are opaque. One at a call stays with the call; one at a text becomes a thinking block
//   of its own without words, and goes back as what it was: an empty text part with a signature.
// - Models from gemini-3 on refuse a history whose first call of a turn lacks its signature. Calls that came
//   from elsewhere, or through a dialect that has no place for signatures, get the value that Google
//   documents for this case.
// - An answer's picture, and code that ran on the server, have no place in the canonical answer: such an
//   answer fails instead of losing them.
// - Schemas go as they are in the members that take JSON Schema; keywords those do not know are losses.
//
// As a caller's dialect server/ does not offer it; `weir mock` reads requests and writes answers with those
// members of Wire. The model stands in the path: read_request() leaves request.model and request.stream to
// whoever has it.
#pragma once

#include "weir/wire/wire.h"

namespace weir::wire::gemini {

const Wire& gemini_wire();

}  // namespace weir::wire::gemini
