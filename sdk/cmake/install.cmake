# What a plugin author gets: headers, static libraries, package files, template, documents.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The package has the version of the ABI, read from its one source.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../include/aiex/aiex_plugin.h numbers
     REGEX "^#define AIEX_ABI_(MAJOR|MINOR) ")
list(TRANSFORM numbers REPLACE "^#define AIEX_ABI_[A-Z]+ +([0-9]+)u.*" "\\1")
list(JOIN numbers "." AIEX_ABI_VERSION)

get_filename_component(sdk ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
set(AIEX_TEMPLATE_DIR ${CMAKE_INSTALL_DATADIR}/aiex/template)
set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/aiex)
file(RELATIVE_PATH AIEX_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" AIEX_PC_UP "${AIEX_PC_UP}")

install(TARGETS aiex_sdk aiex_testkit aiex_message aiex_sdk_json aiex_sdk_schema aiex_sdk_service
                aiex_sdk_events aiex_sdk_session aiex_sdk_cache aiex_sdk_tier aiex_sdk_sse
                aiex_sdk_dialect aiex_sdk_provider EXPORT aiex-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(EXPORT aiex-targets NAMESPACE aiex:: DESTINATION ${cmake_dir} COMPONENT sdk)
install(DIRECTORY ${sdk}/include/aiex DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk
        FILES_MATCHING PATTERN "*.h")
install(FILES ${sdk}/testkit/aiex_fake_host.h COMPONENT sdk
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/aiex/testkit)
install(FILES ${sdk}/message/provider_messages.h COMPONENT sdk
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/aiex/message)
install(FILES ${sdk}/json/aiex_json.h ${sdk}/schema/aiex_schema.h ${sdk}/sse/aiex_sse.h
              ${sdk}/dialect/aiex_chat.h ${sdk}/provider/aiex_provider.h
              ${sdk}/service/aiex_service.h ${sdk}/service/aiex_file.h ${sdk}/service/aiex_crc32c.h
              ${sdk}/service/aiex_record_log.h ${sdk}/service/aiex_recast.h
              ${sdk}/service/aiex_ask.h ${sdk}/service/aiex_metrics.h ${sdk}/service/aiex_pressure.h
              ${sdk}/service/aiex_audit.h ${sdk}/service/aiex_audit_batch.h
              ${sdk}/events/aiex_events.h ${sdk}/session/aiex_session.h
              ${sdk}/cache/aiex_cache.h ${sdk}/cache/aiex_flight.h ${sdk}/tier/aiex_tier.h ${sdk}/tier/aiex_levels.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk)

configure_package_config_file(${sdk}/cmake/aiex-config.cmake.in
    ${CMAKE_CURRENT_BINARY_DIR}/aiex-config.cmake INSTALL_DESTINATION ${cmake_dir}
    PATH_VARS CMAKE_INSTALL_BINDIR AIEX_TEMPLATE_DIR)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/aiex-config-version.cmake
    VERSION ${AIEX_ABI_VERSION} COMPATIBILITY SameMajorVersion)
configure_file(${sdk}/cmake/aiex.pc.in ${CMAKE_CURRENT_BINARY_DIR}/aiex.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/aiex-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/aiex-config-version.cmake
              ${sdk}/cmake/aiex_add_plugin.cmake
        DESTINATION ${cmake_dir} COMPONENT sdk)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/aiex.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT sdk)

install(DIRECTORY ${sdk}/template/ DESTINATION ${AIEX_TEMPLATE_DIR} COMPONENT sdk)
install(DIRECTORY ${sdk}/kinds DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT sdk
        FILES_MATCHING PATTERN "*.md")
install(TARGETS aiex-check RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT sdk)
