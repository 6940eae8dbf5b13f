# aiex_add_plugin(NAME provider_mine SOURCES mine.c [LINK libs] [INI mine.ini]
#                 [DESTINATION folder] [NO_INSTALL])
#
# Builds NAME.so with the flags that a plugin must have: hidden symbols except the entry function,
# every symbol resolved at link time (-z defs), bound at load (-z now), and no `lib` prefix.
include_guard(GLOBAL)
include(GNUInstallDirs)

function(aiex_add_plugin)
    cmake_parse_arguments(P "NO_INSTALL" "NAME;INI;DESTINATION" "SOURCES;LINK" ${ARGN})
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
    if(P_NO_INSTALL)
        return()
    endif()
    install(TARGETS ${P_NAME} LIBRARY DESTINATION ${P_DESTINATION})
    if(P_INI) # a sample to copy into conf.d
        install(FILES ${P_INI} DESTINATION ${CMAKE_INSTALL_DATADIR}/aiex/examples)
    endif()
endfunction()
