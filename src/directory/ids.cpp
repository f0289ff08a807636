#include "directory/ids.h"

namespace chaveiro::directory {

Result<Ispb> Ispb::parse(std::string_view text) {
  Ispb ispb;
  const Error wrong = fail(Code::invalid, "ParticipantInvalid", "an ISPB is eight letters or digits");
  if (text.size() != ispb.text.size()) return wrong;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= 'a' && c <= 'z') {
      ispb.text[i] = static_cast<char>(c - 'a' + 'A');
    } else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
      ispb.text[i] = c;
    } else {
      return wrong;
    }
  }
  return ispb;
}

}  // namespace chaveiro::directory
