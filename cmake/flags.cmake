# Warnings and hardening for every target of the project (STYLE: all warnings, hardened by default, sanitizers on request).
add_compile_definitions(_GNU_SOURCE)
add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wformat=2 -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
  -Wcast-qual -Wwrite-strings -Wnull-dereference -Wswitch-enum -Wimplicit-fallthrough -fno-common -fvisibility=hidden)
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
  # clang reads GNU statement expressions and __VA_OPT__ as extensions; both compilers have them.
  add_compile_options(-Wno-gnu-statement-expression -Wno-gnu-zero-variadic-macro-arguments -Wno-variadic-macros -Wno-c2x-extensions -Wno-unknown-warning-option)
endif()
if(OTAD_WERROR)
  add_compile_options(-Werror)
endif()

if(OTAD_SANITIZE)
  add_compile_options(-fsanitize=${OTAD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OTAD_SANITIZE})
else()
  add_compile_options(-fstack-protector-strong -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-fcf-protection)
  endif()
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
endif()
add_link_options(-Wl,-z,relro,-z,now)
include(CheckPIESupported)
check_pie_supported()

if(OTAD_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
