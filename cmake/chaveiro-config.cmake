# find_package(chaveiro): chaveiro::base, chaveiro::cache, chaveiro::limits, chaveiro::redis. What they link is looked for here.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(OpenSSL)
find_dependency(PkgConfig)
find_dependency(yaml-cpp)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
include(${CMAKE_CURRENT_LIST_DIR}/chaveiro-targets.cmake)
