"""The values of the published API examples, end to end: imported, created, found by gRPC and REST, updated, claimed, confirmed,
completed, deleted; and the problems that these operations can give."""

import unittest

from harness import ROOT, Platform

EXAMPLES = str(ROOT / "tests/data/official_examples.ndjson")
REQUEST_ID = "a946d533-7f22-42a5-9a9b-e87cd55c0f60"
OURS, THEIRS = "12345678", "87654321"
# Whoever pays: needed because a key that is not ours is asked for at the registry.
PAYER = {"payer_id": "11122233300", "end_to_end_id": "E1234567820261121101512345678901"}


class OfficialExamples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.platform = Platform("--empty", environment={"CHAVEIRO_CHECK_DIGITS": "false", "CHAVEIRO_ISPBS": f"{OURS},{THEIRS}"})
        cls.platform.start()
        cls.platform.run("import", EXAMPLES, check=0)
        cls.ours = cls.platform.token("operator", ispb=OURS)
        cls.theirs = cls.platform.token("operator", ispb=THEIRS)
        accounts = cls.platform.rest("GET", "/api/v1/accounts", token=cls.ours).json["accounts"]
        cls.account = next(a["id"] for a in accounts if a["type"] == "CACC")

    @classmethod
    def tearDownClass(cls):
        cls.platform.__exit__()

    def problem(self, answer, status, kind):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "application/problem+json")
        self.assertTrue(answer.json["type"].endswith(kind), answer)
        self.assertEqual(answer.json["status"], status)

    def lookup(self, key_type, key, token=None):
        return self.platform.rest("POST", "/api/v1/lookups", {"key_type": key_type, "key": key, **PAYER}, token=token or self.ours)

    def test_1_every_example_entry_is_found_by_both_edges(self):
        for key_type, key, name in [
            ("CPF", "11122233300", "João Silva"),
            ("PHONE", "+5561988887777", "Maria Silva"),
            ("EMAIL", "abc@pix.br", "João Silva"),
            ("CNPJ", "11222333000150", "Padaria Tres Irmãos Ltda"),
        ]:
            answer = self.lookup(key_type, key)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json["owner"]["name"], name)
            by_grpc = self.platform.cli("lookup", key, "--type", key_type, token=self.ours)
            self.assertEqual(by_grpc["account_holder_name"], name)
            self.assertEqual(by_grpc["key"]["key_value"], key)

    def test_2_create_update_delete(self):
        body = {"key_type": "PHONE", "key": "+5561988880000", "account_id": self.account, "reason": "USER_REQUESTED", "request_id": REQUEST_ID}
        created = self.platform.rest("POST", "/api/v1/entries", body, token=self.ours)
        self.assertEqual(created.status, 201, created)
        again = self.platform.rest("POST", "/api/v1/entries", body, token=self.ours)
        self.assertEqual((again.status, again.json["id"]), (created.status, created.json["id"]))
        other = self.platform.rest("POST", "/api/v1/entries", {**body, "key": "+5561999999999"}, token=self.ours)
        self.problem(other, 409, "RequestIdAlreadyUsed")
        self.assertEqual(self.lookup("PHONE", "+5561988880000").json["account"]["number"], "0007654321")

        entry = f"/api/v1/entries/{created.json['id']}"
        updated = self.platform.rest("PATCH", entry, {"owner": {"name": "João da Silva"}, "reason": "USER_REQUESTED"}, token=self.ours)
        self.assertEqual(updated.status, 200, updated)
        self.assertEqual(self.lookup("PHONE", "+5561988880000").json["owner"]["name"], "João da Silva")

        deleted = self.platform.rest("POST", f"{entry}/delete", {"reason": "USER_REQUESTED"}, token=self.ours)
        self.assertEqual(deleted.status, 200, deleted)
        self.problem(self.lookup("PHONE", "+5561988880000"), 404, "NotFound")
        self.problem(self.platform.rest("POST", f"{entry}/delete", {"reason": "USER_REQUESTED"}, token=self.ours), 404, "NotFound")

    def test_3_an_ownership_claim_from_open_to_completed(self):
        body = {"key_type": "PHONE", "key": "+5561988887777", "claimer_account_id": self.account, "type": "OWNERSHIP"}
        opened = self.platform.rest("POST", "/api/v1/claims", body, token=self.ours)
        self.assertEqual(opened.status, 201, opened)
        claim = opened.json
        self.assertEqual((claim["status"], claim["donor"], claim["claimer"]), ("OPEN", THEIRS, OURS))
        self.problem(self.platform.rest("POST", "/api/v1/claims", body, token=self.ours), 409, "ClaimAlreadyExistsForKey")
        self.assertIsNotNone(self.lookup("PHONE", "+5561988887777").json["open_claim_creation_date"])

        by_grpc = self.platform.cli("claims", "get", claim["id"], token=self.theirs)
        self.assertEqual((by_grpc["status"], by_grpc["owner_ispb"]), ("CLAIM_STATUS_OPEN", THEIRS))
        path = f"/api/v1/claims/{claim['id']}"
        acknowledged = self.platform.rest("POST", f"{path}/acknowledge", {}, token=self.theirs)
        self.assertEqual(acknowledged.json["status"], "WAITING_RESOLUTION", acknowledged)
        confirmed = self.platform.rest("POST", f"{path}/confirm", {"reason": "USER_REQUESTED"}, token=self.theirs)
        self.assertEqual(confirmed.json["status"], "CONFIRMED", confirmed)
        self.problem(self.lookup("PHONE", "+5561988887777"), 404, "NotFound")

        completed = self.platform.rest("POST", f"{path}/complete", {"request_id": "a946d533-7f22-42a5-9a9b-e87cd55c0f61"}, token=self.ours)
        self.assertEqual(completed.json["status"], "COMPLETED", completed)
        found = self.lookup("PHONE", "+5561988887777").json
        self.assertEqual((found["owner"]["name"], found["account"]["ispb"]), ("João Silva", OURS))

    def test_4_a_portability_claim_keeps_the_ownership_date(self):
        account = self.platform.rest(
            "POST",
            "/api/v1/accounts",
            {
                "ispb": OURS,
                "branch": "0001",
                "number": "0000000017",
                "type": "SVGS",
                "opening_date": "2010-01-10T03:00:00Z",
                "owner": {"type": "NATURAL_PERSON", "tax_id": "12345678901", "name": "Maria Silva"},
            },
            token=self.ours,
        )
        self.assertEqual(account.status, 201, account)
        opened = self.platform.cli("claims", "start", "mail@mail.com", "--account", account.json["id"], token=self.ours)
        self.platform.cli("claims", "acknowledge", opened["claim_id"], token=self.theirs)
        confirmed = self.platform.cli("claims", "confirm", opened["claim_id"], token=self.theirs)
        self.assertEqual(confirmed["new_status"], "CLAIM_STATUS_CONFIRMED")
        self.platform.cli("claims", "complete", opened["claim_id"], token=self.ours)
        found = self.lookup("EMAIL", "mail@mail.com").json
        self.assertEqual(found["account"]["ispb"], OURS)
        self.assertEqual(found["key_ownership_date"], "2019-11-18T03:00:00.000Z")

    def test_5_the_published_problems(self):
        def create(**change):
            body = {"key_type": "PHONE", "key": "+5561988880001", "account_id": self.account, "reason": "USER_REQUESTED", **change}
            return self.platform.rest("POST", "/api/v1/entries", body, token=self.ours)

        # problem.EntryInvalid: the value of the published example, without its +.
        invalid = create(key="61988887777")
        self.problem(invalid, 400, "EntryInvalid")
        self.assertEqual(invalid.json["violations"][0]["property"], "key")
        self.assertNotIn("61988887777", invalid.body.decode())
        self.problem(create(reason="FRAUD"), 400, "InvalidReason")
        self.problem(create(colour="red"), 400, "BadRequest")
        self.problem(create(key_type="CPF", key="12345678901"), 400, "EntryTaxIdNumberByDifferentOwner")
        self.problem(create(key_type="EMAIL", key="abc@pix.br"), 409, "EntryAlreadyExists")
        # problem.ClaimInvalid, and its neighbours
        claim = {"key_type": "EVP", "key": "123e4567-e89b-42d3-a456-426655440000", "claimer_account_id": self.account, "type": "OWNERSHIP"}
        self.problem(self.platform.rest("POST", "/api/v1/claims", claim, token=self.ours), 400, "ClaimInvalid")
        unknown = {**claim, "key_type": "PHONE", "key": "+5561888888888"}
        self.problem(self.platform.rest("POST", "/api/v1/claims", unknown, token=self.ours), 404, "ClaimKeyNotFound")
        # problem.Forbidden
        auditor = self.platform.token("auditor", ispb=OURS)
        self.problem(self.lookup("CPF", "11122233300", token=auditor), 403, "Forbidden")
        # problem.NotFound
        self.problem(self.platform.rest("GET", "/api/v1/entries/01890a5d-ac96-774b-bcce-b302099a8057", token=self.ours), 404, "NotFound")


if __name__ == "__main__":
    unittest.main()
