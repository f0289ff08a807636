// base/mask.h
//
// Personal data as it may be shown: in logs, in messages and to people who need to recognise it and not to know it.
//
//   CPF    12345678909            ***.456.789-**        as Brazilian authorities publish it
//   CNPJ   12345678000195         **.345.678/****-**
//   e-mail joana@example.com      j***@e***
//   phone  +5511987654321         +55*********21
//   EVP    0190a5b0-7c3e-…        0190a5b0-****-****-****-************
//   name   Joana Souza da Silva   J*** S*** d*** S***
//
// Guarantees: any bytes are accepted, also malformed UTF-8 and the empty text, and what comes out is valid UTF-8. A text that has
// not the expected form is shown as "***". A masked text masked again stays as it is. Not encryption: short masks can be guessed.
//
// Threads: any.
// Time:    linear in the text; what comes out is at most 256 bytes long for mask_name, and not longer than 64 for the others.
#pragma once

#include <string>
#include <string_view>

namespace chaveiro {

std::string mask_cpf(std::string_view text);   // with or without punctuation
std::string mask_cnpj(std::string_view text);  // with or without punctuation; letters as in the alphanumeric CNPJ
std::string mask_email(std::string_view text);
std::string mask_phone(std::string_view text);  // E.164: '+' and digits
std::string mask_evp(std::string_view text);
std::string mask_name(std::string_view text);  // the first letter of each word, at most eight words

// A key whose type is not known: by its form the first of the above that fits (11 digits: CPF; 14: CNPJ; '@': e-mail;
// '+': phone; the form of a UUID: EVP), otherwise "***".
std::string mask_key_like(std::string_view text);

}  // namespace chaveiro
