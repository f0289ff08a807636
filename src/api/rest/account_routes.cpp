#include "api/rest/encode.h"
#include "api/rest/route.h"
#include "api/rest/schemas.h"

namespace chaveiro::api::rest {
namespace {

using directory::Permission;
using net::Method;

// The domain's rules, told together with the faults of form: of each value that is there.
void refuse_what_the_domain_refuses(Exchange& exchange, const directory::CreateAccount& request, bool type_is_known) {
  const directory::Account account{
      .branch = request.branch, .number = request.number, .type = request.type, .holder = request.holder};
  const auto valid = directory::validate(account, {.check_digits = exchange.services.fields.key.check_digits}, "");
  if (valid) return;
  for (const FieldViolation& fault : valid.error().violations) {
    const bool of_owner = fault.field.starts_with("owner.");
    if (exchange.in.text(fault.field) && (type_is_known || !of_owner))
      exchange.in.fields().refuse(fault.field, fault.description, valid.error().reason);
  }
}

Result<Answer> create(Exchange& exchange) {
  Input& in = exchange.in;
  directory::CreateAccount request;
  request.ispb = in.read("ispb", &Fields::may_ispb).value_or(exchange.context().caller.ispb);
  if (const auto branch = in.text("branch")) request.branch = std::string(*branch);
  request.number = in.text("number").value_or("");
  const auto type = in.read("type", &Fields::account_type);
  const auto opened = in.read("opening_date", &Fields::may_time);
  const auto person = in.read("owner.type", &Fields::person_type);
  request.holder.type = person.value_or(directory::PersonType::natural);
  const bool natural = request.holder.type == directory::PersonType::natural;
  request.holder.tax_id = directory::normalise(natural ? directory::KeyType::cpf : directory::KeyType::cnpj,
                                               in.text("owner.tax_id").value_or(""));
  request.holder.name = in.text("owner.name").value_or("");
  if (const auto trade_name = in.text("owner.trade_name")) request.holder.trade_name = std::string(*trade_name);
  refuse_what_the_domain_refuses(exchange, request, person.has_value());
  TRY_VOID(in.verdict());
  request.type = *type;
  request.opened_at = *opened;
  TRY(const auto account, exchange.services.directory.accounts.create(exchange.context(), request));
  return Answer{encode(account)};
}

Result<Answer> get(Exchange& exchange) {
  const auto id = exchange.in.read("id", &Fields::account_id);
  TRY_VOID(exchange.in.verdict());
  TRY(const auto account, exchange.services.directory.accounts.get(exchange.context(), *id));
  return Answer{encode(account)};
}

Result<Answer> list_of_filter(Exchange& exchange, const directory::AccountFilter& filter) {
  TRY_VOID(exchange.in.verdict());
  const PageScope scope = page_scope(filter);
  TRY(const auto page, page_of(exchange, scope));
  TRY(const auto accounts, exchange.services.directory.accounts.list(exchange.context(), filter, page));
  return Answer{encode_page("accounts", accounts, exchange.services.page_tokens.next(scope, accounts))};
}

Result<Answer> list(Exchange& exchange) { return list_of_filter(exchange, {.ispb = exchange.context().caller.ispb}); }

Result<Answer> list_by_holder(Exchange& exchange) {
  directory::AccountFilter filter{.ispb = exchange.context().caller.ispb};
  filter.holder_tax_id = exchange.in.read("holder_tax_id", &Fields::tax_id);
  return list_of_filter(exchange, filter);
}

Result<Answer> close(Exchange& exchange) {
  const auto id = exchange.in.read("id", &Fields::account_id);
  TRY_VOID(exchange.in.verdict());
  TRY(const auto account, exchange.services.directory.accounts.close(exchange.context(), *id));
  return Answer{encode(account)};
}

Result<Answer> verify(Exchange& exchange) {
  Input& in = exchange.in;
  const auto id = in.read("id", &Fields::account_id);
  const auto tax_id = in.read("holder_tax_id", &Fields::tax_id);
  TRY_VOID(in.verdict());
  TRY(const auto verification, exchange.services.directory.accounts.verify(exchange.context(), *id, *tax_id));
  return Answer{encode(verification)};
}

}  // namespace

std::vector<Route> account_routes() {
  const Parameter id = id_parameter();
  return {
      {Method::post,
       "/api/v1/accounts",
       {"CreateAccount", "Accounts", "Open an account",
        "Repeat-safe: the id follows from participant, branch, number and type, and the same account again is answered "
        "with the "
        "stored one."},
       Permission::write_accounts,
       {},
       &create_account_schema(),
       &account_schema(),
       201,
       {"EntryInvalid", "AccountExists"},
       {.handle = create}},
      {Method::get,
       "/api/v1/accounts",
       {"ListAccounts", "Accounts", "List accounts, oldest first", ""},
       Permission::read_accounts,
       with_page({}),
       nullptr,
       &account_list_schema(),
       200,
       {"PageTokenInvalid", "PageTokenExpired"},
       {.handle = list}},
      {Method::post,
       "/api/v1/accounts/by-holder",
       {"ListAccountsByHolder", "Accounts", "List the accounts of a person",
        "A POST, because no tax id may stand in a URL.", "ListAccounts"},
       Permission::read_accounts,
       with_page({}),
       &verify_account_schema(),
       &account_list_schema(),
       200,
       {"PageTokenInvalid", "PageTokenExpired"},
       {.handle = list_by_holder}},
      {Method::get,
       "/api/v1/accounts/{id}",
       {"GetAccount", "Accounts", "Read an account", ""},
       Permission::read_accounts,
       {id},
       nullptr,
       &account_schema(),
       200,
       {"AccountNotFound"},
       {.handle = get}},
      {Method::post,
       "/api/v1/accounts/{id}/close",
       {"CloseAccount", "Accounts", "Close an account", "Repeat-safe. Refused while keys point to it."},
       Permission::write_accounts,
       {id},
       nullptr,
       &account_schema(),
       200,
       {"AccountNotFound", "AccountHasEntries"},
       {.handle = close}},
      {Method::post,
       "/api/v1/accounts/{id}/verify",
       {"VerifyAccount", "Accounts", "Does the account exist, and who holds it?", ""},
       Permission::read_accounts,
       {id},
       &verify_account_schema(),
       &account_verification_schema(),
       200,
       {},
       {.handle = verify}},
  };
}

}  // namespace chaveiro::api::rest
