#include "directory/accounts.h"

#include "directory/operation.h"

namespace chaveiro::directory {
namespace {

Error not_found() { return fail(Code::not_found, "AccountNotFound", "no account with this id"); }

Account account_of(const CreateAccount& request, UtcTime now) {
  return Account{.id = account_id_of(request.ispb, request.branch, request.number, request.type),
                 .ispb = request.ispb,
                 .branch = request.branch,
                 .number = request.number,
                 .type = request.type,
                 .opened_at = request.opened_at,
                 .holder = request.holder,
                 .created_at = now,
                 .updated_at = now};
}

}  // namespace

Result<Account> Accounts::create(const Context& context, const CreateAccount& request) {
  TRY_VOID(authorise(context.caller, Permission::write_accounts, request.ispb));
  Account account = account_of(request, clock_.now());
  TRY_VOID(validate(account, rules_, "account."));
  TRY_VOID(authorise(context.caller, Permission::write_accounts, request.ispb, account.id));
  return decide_until_fresh([&]() -> Result<Account> {
    TRY(auto stored, store_.account(account.id, context.deadline));
    if (stored) {
      if (stored->holder.type != account.holder.type || stored->holder.tax_id != account.holder.tax_id) {
        return fail(Code::conflict, "AccountExists", "this account is held by another person");
      }
      if (stored->status == AccountStatus::closed) {
        return fail(Code::conflict, "AccountClosed", "this account existed and was closed");
      }
      return std::move(*stored);
    }
    Change change = change_of(context, "create_account", account.ispb, account.created_at);
    change.writes.push_back(Put<Account>{std::nullopt, account});
    TRY(const Committed committed, store_.commit(change, context.deadline));
    account.version = committed.sequence;
    return account;
  });
}

Result<Account> Accounts::get(const Context& context, const AccountId& id) {
  const Ispb& ispb = context.caller.ispb;
  TRY_VOID(authorise(context.caller, Permission::read_accounts, ispb, id));
  TRY(auto account, reads_.account(id, context.deadline));
  if (!account || account->ispb != ispb) return not_found();
  return std::move(*account);
}

Result<Page<Account>> Accounts::list(const Context& context, AccountFilter filter, const PageRequest& page) {
  TRY_VOID(authorise(context.caller, Permission::read_accounts, filter.ispb));
  filter.accounts = accounts_seen(context.caller, Permission::read_accounts, std::move(filter.accounts));
  return store_.accounts(filter, that_may_lag(page), context.deadline);
}

Result<Account> Accounts::close(const Context& context, const AccountId& id) {
  const Ispb& ispb = context.caller.ispb;
  TRY_VOID(authorise(context.caller, Permission::write_accounts, ispb, id));
  return decide_until_fresh([&]() -> Result<Account> {
    TRY(auto account, store_.account(id, context.deadline));
    if (!account || account->ispb != ispb) return not_found();
    if (account->status == AccountStatus::closed) return std::move(*account);
    TRY(const std::uint32_t taken, store_.slots_taken(id, context.deadline));
    if (taken != 0) {
      return fail(Code::conflict, "AccountHasEntries", "keys point to this account: delete or move them first");
    }
    const UtcTime now = clock_.now();
    Account closed = *account;
    closed.status = AccountStatus::closed;
    closed.updated_at = now;
    Change change = change_of(context, "close_account", ispb, now);
    change.writes.push_back(Put<Account>{std::move(account), closed});
    // An entry made meanwhile makes this Stale: the store keeps accounts of live entries open.
    TRY(const Committed committed, store_.commit(change, context.deadline));
    closed.version = committed.sequence;
    return closed;
  });
}

Result<AccountVerification> Accounts::verify(const Context& context, const AccountId& id,
                                             std::string_view holder_tax_id) {
  const Ispb& ispb = context.caller.ispb;
  TRY_VOID(authorise(context.caller, Permission::read_accounts, ispb, id));
  TRY(const auto account, reads_.account(id, context.deadline));
  if (!account || account->ispb != ispb) return AccountVerification{};
  return AccountVerification{.exists = true,
                             .open = account->status == AccountStatus::open,
                             .holder_matches = account->holder.tax_id == holder_tax_id};
}

}  // namespace chaveiro::directory
