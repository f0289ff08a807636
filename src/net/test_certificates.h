// net/test_certificates.h
//
// For tests: authorities and certificates made on the spot, as PEM files in a folder that goes away with the object.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace chaveiro::net {

class TestAuthority;

struct TestCertificate {
  std::string cert_file;
  std::string key_file;
};

struct TestCertificateRequest {
  std::string common_name = "test";
  std::string names;          // "DNS:localhost,IP:127.0.0.1"
  long seconds_valid = 3600;  // from two hours ago on it is valid until now plus this; negative: expired
};

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "net_test_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }

 private:
  std::string path_;
};

class TestAuthority {
 public:
  TestAuthority(const TestFolder& folder, const std::string& name)
      : folder_(folder), ca_file(folder.file(name + ".pem")) {
    key_ = Key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    cert_ = make(key_.get(), {name, "", 3600}, nullptr);
    add(cert_.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(cert_.get(), key_.get(), EVP_sha256());
    write_cert(ca_file, cert_.get());
  }

  // Writes NAME.crt and NAME.key, over those that stand there.
  TestCertificate issue(const std::string& name, const TestCertificateRequest& request) const {
    const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const Cert cert = make(key.get(), request, cert_.get());
    if (!request.names.empty()) add(cert.get(), NID_subject_alt_name, request.names.c_str());
    X509_sign(cert.get(), key_.get(), EVP_sha256());
    const TestCertificate files{folder_.file(name + ".crt"), folder_.file(name + ".key")};
    write_cert(files.cert_file, cert.get());
    std::FILE* out = std::fopen(files.key_file.c_str(), "wb");
    PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    return files;
  }

  // Writes NAME.crl: the certificates are not valid any more.
  std::string withdraw(const std::string& name, const std::vector<TestCertificate>& certificates) const {
    const std::unique_ptr<X509_CRL, void (*)(X509_CRL*)> list(X509_CRL_new(), X509_CRL_free);
    const std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> since(X509_gmtime_adj(nullptr, -60), ASN1_TIME_free),
        until(X509_gmtime_adj(nullptr, 3600), ASN1_TIME_free);
    X509_CRL_set_version(list.get(), 1);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(cert_.get()));
    X509_CRL_set1_lastUpdate(list.get(), since.get());
    X509_CRL_set1_nextUpdate(list.get(), until.get());
    for (const TestCertificate& certificate : certificates) {
      std::FILE* in = std::fopen(certificate.cert_file.c_str(), "rb");
      const Cert cert(PEM_read_X509(in, nullptr, nullptr, nullptr), X509_free);
      std::fclose(in);
      X509_REVOKED* gone = X509_REVOKED_new();
      X509_REVOKED_set_serialNumber(gone, X509_get_serialNumber(cert.get()));
      X509_REVOKED_set_revocationDate(gone, since.get());
      X509_CRL_add0_revoked(list.get(), gone);
    }
    X509_CRL_sort(list.get());
    X509_CRL_sign(list.get(), key_.get(), EVP_sha256());
    std::FILE* out = std::fopen(folder_.file(name + ".crl").c_str(), "wb");
    PEM_write_X509_CRL(out, list.get());
    std::fclose(out);
    return folder_.file(name + ".crl");
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
  using Cert = std::unique_ptr<X509, void (*)(X509*)>;

  static Cert make(EVP_PKEY* key, const TestCertificateRequest& request, X509* issuer) {
    static long serial = 1;
    Cert cert(X509_new(), X509_free);
    X509_set_version(cert.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -7200);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), request.seconds_valid);
    X509_NAME* name = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(request.common_name.c_str()), -1, -1, 0);
    X509_set_issuer_name(cert.get(), issuer != nullptr ? X509_get_subject_name(issuer) : name);
    X509_set_pubkey(cert.get(), key);
    return cert;
  }
  static void add(X509* cert, int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static void write_cert(const std::string& file, X509* cert) {
    std::FILE* out = std::fopen(file.c_str(), "wb");
    PEM_write_X509(out, cert);
    std::fclose(out);
  }

  const TestFolder& folder_;
  Key key_{nullptr, EVP_PKEY_free};
  Cert cert_{nullptr, X509_free};

 public:
  const std::string ca_file;
};

}  // namespace chaveiro::net
