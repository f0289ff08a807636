#include "app/demo.h"

#include "app/import.h"

namespace chaveiro::app {
namespace {

namespace dir = directory;

constexpr std::string_view lines =
    R"({"key_type":"CPF","key":"12345678909","account":{"ispb":"12345678","branch":"0001","number":"0007654321","type":"CACC","opening_date":"2015-03-02T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":"12345678909","name":"Ana Souza","trade_name":null},"creation_date":"2020-11-16T12:00:00Z","key_ownership_date":"2020-11-16T12:00:00Z","request_id":"0b5f5b4e-5a0c-4f0e-9c3e-0d6a0c1f2a01"}
{"key_type":"EMAIL","key":"ana.souza@example.com","account":{"ispb":"12345678","branch":"0001","number":"0007654321","type":"CACC","opening_date":"2015-03-02T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":"12345678909","name":"Ana Souza","trade_name":null},"creation_date":"2021-02-01T12:00:00Z","key_ownership_date":"2021-02-01T12:00:00Z","request_id":"0b5f5b4e-5a0c-4f0e-9c3e-0d6a0c1f2a02"}
{"key_type":"PHONE","key":"+5511987654321","account":{"ispb":"12345678","branch":"0001","number":"0007654399","type":"SVGS","opening_date":"2018-07-19T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":"98765432100","name":"Bruno Lima","trade_name":null},"creation_date":"2021-05-10T12:00:00Z","key_ownership_date":"2021-05-10T12:00:00Z","request_id":"0b5f5b4e-5a0c-4f0e-9c3e-0d6a0c1f2a03"}
{"key_type":"CNPJ","key":"11222333000181","account":{"ispb":"12345678","branch":"0002","number":"0000012340","type":"TRAN","opening_date":"2012-01-05T03:00:00Z"},"owner":{"type":"LEGAL_PERSON","tax_id":"11222333000181","name":"Padaria Boa Vista Ltda","trade_name":"Padaria Boa Vista"},"creation_date":"2020-11-16T12:30:00Z","key_ownership_date":"2020-11-16T12:30:00Z","request_id":"0b5f5b4e-5a0c-4f0e-9c3e-0d6a0c1f2a04"}
{"key_type":"EVP","key":"123e4567-e89b-42d3-a456-426655440000","account":{"ispb":"12345678","branch":"0002","number":"0000012340","type":"TRAN","opening_date":"2012-01-05T03:00:00Z"},"owner":{"type":"LEGAL_PERSON","tax_id":"11222333000181","name":"Padaria Boa Vista Ltda","trade_name":"Padaria Boa Vista"},"creation_date":"2022-08-30T09:15:00Z","key_ownership_date":"2022-08-30T09:15:00Z","request_id":"0b5f5b4e-5a0c-4f0e-9c3e-0d6a0c1f2a05"}
{"key_type":"PHONE","key":"+5521998761234","account":{"ispb":"87654321","branch":"0001","number":"0000555500","type":"CACC","opening_date":"2019-09-09T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":"12345678909","name":"Ana Souza","trade_name":null},"creation_date":"2021-11-03T12:00:00Z","key_ownership_date":"2021-11-03T12:00:00Z","request_id":"0b5f5b4e-5a0c-4f0e-9c3e-0d6a0c1f2a06"}
{"account":{"ispb":"87654321","branch":"0001","number":"0000555600","type":"CACC","opening_date":"2020-01-20T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":"98765432100","name":"Bruno Lima","trade_name":null}}
)";

bool serves(const std::vector<dir::Ispb>& served, std::string_view line) {
  for (const dir::Ispb& ispb : served) {
    if (line.find("\"ispb\":\"" + to_string(ispb) + "\"") != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::string_view demo_lines() { return lines; }

Result<std::uint64_t> import_demo(dir::Store& store, const Clock& clock, const std::vector<dir::Ispb>& served,
                                  Deadline deadline) {
  for (const dir::Ispb& ispb : served) {
    TRY(const auto accounts,
        store.accounts({.ispb = ispb, .accounts = {}, .holder_tax_id = {}}, {.limit = 1, .after = {}}, deadline));
    if (!accounts.items.empty()) return std::uint64_t{0};
  }
  Importer importer(store, clock, {.served = served, .rules = {}, .actor = {"demonstration", "demonstration"}});
  std::uint64_t number = 0;
  for (std::string_view rest = lines; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    ++number;
    if (serves(served, line)) TRY_VOID(importer.add_json(number, line, deadline));
  }
  TRY(const ImportReport report, importer.finish(deadline));
  if (report.bad > 0) return report.faults.front().error;
  return report.entries_created;
}

}  // namespace chaveiro::app
