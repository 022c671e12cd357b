//! Files that are broken: told by file and line, never in force.
