# The rooms, bottom to top, and the outside libraries that their .cpp files use.
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
if(CHAVEIRO_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  enable_testing()
endif()

chaveiro_room(base LIBS OpenSSL::Crypto PUBLIC_LIBS Threads::Threads)
