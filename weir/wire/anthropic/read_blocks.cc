#include "weir/wire/anthropic/read_blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weir::wire::anthropic {

using chat::Part;
using chat::PartKind;
using json::Type;
using json::Value;

Unexpected bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::kInvalidRequest, fmt::format("'{}' {}", path, what), path, "invalid_value");
}

void unread(chat::Request& request, std::string name) {
  if (std::ranges::find(request.unread, name) == request.unread.end())
    request.unread.push_back(std::move(name));
}

void leave(const Fields& fields, std::string_view key, std::string_view prefix, chat::Request& request) {
  if (fields.find(key)) unread(request, fmt::format("{}.{}", prefix, key));
}

Result<std::string> required_text(const Fields& fields, std::string_view key, const std::string& path) {
  const Value* v = fields.find(key, Type::kString);
  if (!v) return bad(fmt::format("{}.{}", path, key), "must be a string");
  return v->as_string().value_or("");
}

namespace {

// Written by or for what Anthropic's own servers run; the text around them says what came of it.
constexpr std::string_view kServerBlocks[] = {
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "advisor_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
    "tool_reference",
    "browser_state",
    "tool_addition",
    "tool_removal",
    "fallback",
};

class BlockReader {
 public:
  explicit BlockReader(chat::Request& request) : request_(request) {}

  /// A string or an array of blocks.
  Result<void> content(const Value& value, const std::string& path, Place place, std::vector<Part>& parts) {
    if (value.type == Type::kString) {
      parts.push_back({.text = value.as_string().value_or("")});
      return {};
    }
    if (value.type != Type::kArray) return bad(path, "must be a string or an array");
    size_t i = 0;
    for (const Value& element : json::elements_of(value.raw))
      TRY_VOID(block(element, fmt::format("{}[{}]", path, i++), place, parts));
    return {};
  }

 private:
  Result<void> block(const Value& value, const std::string& path, Place place, std::vector<Part>& parts);
  Result<void> image(const Fields& fields, const std::string& path, Part part, std::vector<Part>& parts);
  Result<void> document(const Fields& fields, const std::string& path, Part part, std::vector<Part>& parts);
  Result<void> search_result(const Fields& fields, const std::string& path, Part part,
                             std::vector<Part>& parts);
  Result<void> thinking(const Fields& fields, const std::string& path, Part part, std::vector<Part>& parts);
  Result<void> tool_use(const Fields& fields, const std::string& path, Part part, std::vector<Part>& parts);
  Result<void> tool_result(const Fields& fields, const std::string& path, Part part,
                           std::vector<Part>& parts);
  void citations(const Fields& fields);

  chat::Request& request_;
};

// Does a block of this type belong there?
bool fits(std::string_view type, Place place) {
  if (type == "text") return true;
  if (type == "image") return place != Place::kSystem && place != Place::kAssistant;
  if (type == "document" || type == "search_result")
    return place == Place::kUser || place == Place::kToolResult;
  if (type == "tool_result") return place == Place::kUser;
  return place == Place::kAssistant;  // thinking, redacted_thinking, tool_use
}

Result<void> BlockReader::block(const Value& value, const std::string& path, Place place,
                                std::vector<Part>& parts) {
  if (value.type != Type::kObject) return bad(path, "must be an object");
  Fields fields(value);
  TRY(std::string type, required_text(fields, "type", path));
  if (std::ranges::find(kServerBlocks, type) != std::end(kServerBlocks)) {
    unread(request_, "messages.content." + type);
    return {};
  }
  if (type == "compaction") {  // stands for the messages before it; its summary is text to anybody
    unread(request_, "messages.content.compaction");
    if (std::string text = fields.text("content"); !text.empty()) parts.push_back({.text = std::move(text)});
    return {};
  }
  using Reader = Result<void> (BlockReader::*)(const Fields&, const std::string&, Part, std::vector<Part>&);
  constexpr std::pair<std::string_view, Reader> kReaders[] = {
      {"image", &BlockReader::image},
      {"document", &BlockReader::document},
      {"search_result", &BlockReader::search_result},
      {"thinking", &BlockReader::thinking},
      {"redacted_thinking", &BlockReader::thinking},
      {"tool_use", &BlockReader::tool_use},
      {"tool_result", &BlockReader::tool_result},
  };
  auto known = std::ranges::find(kReaders, type, [](const auto& row) { return row.first; });
  if (type != "text" && known == std::end(kReaders))
    return bad(path + ".type", "is not a known type of content block");
  if (!fits(type, place)) return bad(path + ".type", fmt::format("must not be '{}' here", type));

  Part part{.cache_control = fields.json("cache_control")};
  if (known != std::end(kReaders)) return (this->*known->second)(fields, path, std::move(part), parts);
  TRY(part.text, required_text(fields, "text", path));
  citations(fields);
  parts.push_back(std::move(part));
  return {};
}

// Of a text: what it cites; of a document: that it may be cited.
void BlockReader::citations(const Fields& fields) {
  const Value* cited = fields.find("citations");
  if (!cited) return;
  bool wanted = cited->type == Type::kArray ? !json::elements_of(cited->raw).empty()
                                            : Fields(*cited).flag("enabled").value_or(false);
  if (wanted) unread(request_, "messages.content.citations");
}

Result<void> BlockReader::image(const Fields& fields, const std::string& path, Part part,
                                std::vector<Part>& parts) {
  part.kind = PartKind::kImage;
  const Value* value = fields.find("source", Type::kObject);
  if (!value) return bad(path + ".source", "must be an object");
  Fields source(*value);
  std::string inside = path + ".source";
  if (source.is("type", "base64")) {
    TRY(part.media_type, required_text(source, "media_type", inside));
    TRY(part.data, required_text(source, "data", inside));
  } else if (source.is("type", "url")) {
    TRY(part.url, required_text(source, "url", inside));
  } else if (source.is("type", "file")) {
    TRY(part.file_id, required_text(source, "file_id", inside));
  } else {
    return bad(inside + ".type", "must be one of base64, url and file");
  }
  leave(fields, "transformations", "messages.content", request_);
  parts.push_back(std::move(part));
  return {};
}

Result<void> BlockReader::document(const Fields& fields, const std::string& path, Part part,
                                   std::vector<Part>& parts) {
  part.kind = PartKind::kFile;
  part.name = fields.text("title");
  const Value* value = fields.find("source", Type::kObject);
  if (!value) return bad(path + ".source", "must be an object");
  Fields source(*value);
  std::string inside = path + ".source";
  leave(fields, "context", "messages.content", request_);
  citations(fields);
  if (source.is("type", "base64")) {
    part.media_type = source.text("media_type");
    if (part.media_type.empty()) part.media_type = "application/pdf";
    TRY(part.data, required_text(source, "data", inside));
  } else if (source.is("type", "text")) {
    part.media_type = "text/plain";
    TRY(part.text, required_text(source, "data", inside));
  } else if (source.is("type", "url")) {
    TRY(part.url, required_text(source, "url", inside));
  } else if (source.is("type", "file")) {
    TRY(part.file_id, required_text(source, "file_id", inside));
  } else if (source.is("type", "content")) {
    const Value* pieces = source.find("content");
    if (!pieces) return bad(inside + ".content", "must be a string or an array");
    if (pieces->type == Type::kString) {
      part.media_type = "text/plain";
      part.text = pieces->as_string().value_or("");
    } else {  // texts and images that the caller cut himself: they follow as they are
      if (!part.name.empty()) parts.push_back({.text = part.name});
      return content(*pieces, inside + ".content", Place::kDocument, parts);
    }
  } else {
    return bad(inside + ".type", "must be one of base64, text, url, file and content");
  }
  parts.push_back(std::move(part));
  return {};
}

// What a search found is text with a heading to everybody else.
Result<void> BlockReader::search_result(const Fields& fields, const std::string& path, Part part,
                                        std::vector<Part>& parts) {
  TRY(std::string title, required_text(fields, "title", path));
  TRY(std::string source, required_text(fields, "source", path));
  const Value* pieces = fields.find("content", Type::kArray);
  if (!pieces) return bad(path + ".content", "must be an array");
  std::vector<Part> texts;
  TRY_VOID(content(*pieces, path + ".content", Place::kSystem, texts));
  part.text = title + "\n" + source + "\n";
  for (const Part& text : texts)
    part.text += "\n" + text.text;
  citations(fields);
  unread(request_, "messages.content.search_result");
  parts.push_back(std::move(part));
  return {};
}

Result<void> BlockReader::thinking(const Fields& fields, const std::string& path, Part part,
                                   std::vector<Part>& parts) {
  if (fields.is("type", "thinking")) {
    part.kind = PartKind::kThinking;
    TRY(part.text, required_text(fields, "thinking", path));
    part.signature = fields.text("signature");
  } else {
    part.kind = PartKind::kRedactedThinking;
    TRY(part.data, required_text(fields, "data", path));
  }
  parts.push_back(std::move(part));
  return {};
}

Result<void> BlockReader::tool_use(const Fields& fields, const std::string& path, Part part,
                                   std::vector<Part>& parts) {
  part.kind = PartKind::kToolCall;
  TRY(part.id, required_text(fields, "id", path));
  TRY(part.name, required_text(fields, "name", path));
  const Value* input = fields.find("input", Type::kObject);
  if (!input) return bad(path + ".input", "must be an object");
  part.text = input->raw;
  if (const Value* caller = fields.find("caller", Type::kObject);
      caller && !Fields(*caller).is("type", "direct"))
    unread(request_, "messages.content.caller");
  leave(fields, "toolset_name", "messages.content", request_);
  parts.push_back(std::move(part));
  return {};
}

Result<void> BlockReader::tool_result(const Fields& fields, const std::string& path, Part part,
                                      std::vector<Part>& parts) {
  part.kind = PartKind::kToolResult;
  TRY(part.id, required_text(fields, "tool_use_id", path));
  part.is_error = fields.flag("is_error").value_or(false);
  if (const Value* inner = fields.find("content"))
    TRY_VOID(content(*inner, path + ".content", Place::kToolResult, part.content));
  parts.push_back(std::move(part));
  return {};
}

}  // namespace

Result<void> read_content(const Value& value, const std::string& path, Place place, chat::Request& request,
                          std::vector<Part>& parts) {
  return BlockReader(request).content(value, path, place, parts);
}

}  // namespace weir::wire::anthropic
