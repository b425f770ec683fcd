# A room is a folder with one purpose: an OBJECT library that sees its own headers and those of the rooms it may know, and no others.
#
#   room(store SOURCES db.c ... MAY_INCLUDE common model PACKAGES PkgConfig::PQ)
#
# Headers are included as "room/file.h". Each room has an include directory of its own (a directory with one link in it), so a forbidden
# include does not compile. MAY_INCLUDE names rooms declared earlier, so a cycle fails at configure time.
function(room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;MAY_INCLUDE;PACKAGES" ${ARGN})
  set(view ${CMAKE_BINARY_DIR}/rooms/${name})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/${name} SYMBOLIC)

  add_library(${name} OBJECT ${ARG_SOURCES})
  set_property(TARGET ${name} PROPERTY ROOM_VIEW ${view})
  target_include_directories(${name} PRIVATE ${view})
  foreach(other IN LISTS ARG_MAY_INCLUDE)
    if(NOT TARGET ${other})
      message(FATAL_ERROR "room ${name} may not include ${other}: it is not declared before it (unknown room, or a cycle)")
    endif()
    target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/rooms/${other})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_PACKAGES})
  set_property(TARGET ${name} PROPERTY ROOM_PACKAGES ${ARG_PACKAGES})
endfunction()

# Links rooms into a program (or a test) and gives it their headers.
function(program_uses target)
  foreach(name IN LISTS ARGN)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${name}>)
    target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/rooms/${name})
    get_property(packages TARGET ${name} PROPERTY ROOM_PACKAGES)
    target_link_libraries(${target} PRIVATE ${packages})
  endforeach()
endfunction()
