# Flags, third-party libraries and the two functions that every room uses:
#   aiex_room(NAME SOURCES a.c b.c LINK other_room lib)   a static library of the host
#   aiex_test(NAME SOURCES a_test.c LINK room [ARGS ...] [TIMEOUT s] [LABELS l])
include_guard(GLOBAL)
include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)

add_library(aiex_flags INTERFACE)
target_compile_definitions(aiex_flags INTERFACE _GNU_SOURCE AIEX_VERSION="${PROJECT_VERSION}")
target_compile_options(aiex_flags INTERFACE -Wall -Wextra -Wshadow -Wvla -Wundef
    -Wno-unused-parameter $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
    -fno-strict-aliasing
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
    $<$<BOOL:${AIEX_WERROR}>:-Werror>)
if(AIEX_SANITIZE)
    add_compile_options(-fsanitize=${AIEX_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined -g)
    add_link_options(-fsanitize=${AIEX_SANITIZE})
endif()

pkg_check_modules(CURL IMPORTED_TARGET libcurl)
pkg_check_modules(INIH IMPORTED_TARGET inih)
pkg_check_modules(CJSON IMPORTED_TARGET libcjson)
pkg_check_modules(SECCOMP IMPORTED_TARGET libseccomp)
pkg_check_modules(SODIUM IMPORTED_TARGET libsodium)
find_library(AIEX_LIBEV ev REQUIRED)
find_library(AIEX_MSGPACK NAMES msgpackc msgpack-c REQUIRED)
find_library(AIEX_CUNIT cunit)

function(aiex_room name)
    cmake_parse_arguments(R "" "" "SOURCES;LINK" ${ARGN})
    add_library(aiex_${name} STATIC ${R_SOURCES})
    target_include_directories(aiex_${name} PUBLIC ${PROJECT_SOURCE_DIR}/host
                                                   ${PROJECT_SOURCE_DIR}/sdk/include)
    target_link_libraries(aiex_${name} PUBLIC aiex_flags ${R_LINK})
endfunction()

function(aiex_test name)
    cmake_parse_arguments(T "" "TIMEOUT" "SOURCES;LINK;ARGS;LABELS;ENVIRONMENT" ${ARGN})
    if(NOT AIEX_TESTS)
        return()
    endif()
    if(NOT T_TIMEOUT)
        set(T_TIMEOUT 60)
    endif()
    add_executable(${name} ${T_SOURCES} ${PROJECT_SOURCE_DIR}/tests/main.c)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/host
                                               ${PROJECT_SOURCE_DIR}/sdk/include)
    target_compile_definitions(${name} PRIVATE AIEX_BUILD_DIR="${CMAKE_BINARY_DIR}"
                                               AIEX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE ${T_LINK} aiex_rig aiex_flags ${AIEX_CUNIT})
    add_test(NAME ${name} COMMAND ${name} ${T_ARGS})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "${T_LABELS}"
                                            ENVIRONMENT "${T_ENVIRONMENT}")
endfunction()
