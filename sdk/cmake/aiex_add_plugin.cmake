# aiex_add_plugin(NAME provider_mine SOURCES mine.c [LINK libs] [INI mine.ini])
#
# Builds NAME.so with the flags that a plugin must have: hidden symbols except the entry function,
# every symbol resolved at link time (-z defs), bound at load (-z now), and no `lib` prefix.
include_guard(GLOBAL)
include(GNUInstallDirs)

function(aiex_add_plugin)
    cmake_parse_arguments(P "" "NAME;INI;DESTINATION" "SOURCES;LINK" ${ARGN})
    if(NOT P_NAME OR NOT P_SOURCES)
        message(FATAL_ERROR "aiex_add_plugin: NAME and SOURCES are required")
    endif()
    add_library(${P_NAME} MODULE ${P_SOURCES})
    set_target_properties(${P_NAME} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
                          CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    if(NOT CMAKE_C_STANDARD)
        set_target_properties(${P_NAME} PROPERTIES C_STANDARD 11)
    endif()
    if(AIEX_PLUGIN_OUTPUT)
        set_target_properties(${P_NAME} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${AIEX_PLUGIN_OUTPUT})
    endif()
    target_link_libraries(${P_NAME} PRIVATE aiex::sdk ${P_LINK})
    target_link_options(${P_NAME} PRIVATE -Wl,-z,now -Wl,--exclude-libs,ALL)
    if(NOT AIEX_SANITIZE) # the sanitizer runtime is resolved in the process
        target_link_options(${P_NAME} PRIVATE -Wl,-z,defs)
    endif()
    if(NOT P_DESTINATION)
        set(P_DESTINATION ${CMAKE_INSTALL_LIBDIR}/aiex/plugins)
    endif()
    install(TARGETS ${P_NAME} LIBRARY DESTINATION ${P_DESTINATION})
endfunction()
