// How many tokens a request has, where the model server can not be asked: an estimate, and marked as one. A
// caller that counts wants to know whether a conversation still fits; a refusal would tell it nothing.
#pragma once

#include <cstdint>

#include "weir/exchange/chat.h"

namespace weir::upstream {

/// Four characters of ASCII text a token, one and a half tokens a character beyond it (which errs upwards for
/// most of today's vocabularies), four for the frame of each message, 1,600 an image. Source: the rule of
/// thumb that OpenAI and Anthropic publish for English, and Anthropic's formula for an image of 1,092 x 1,092
/// pixels.
int64_t estimated_tokens(const exchange::chat::Request& request);

}  // namespace weir::upstream
