"""The commands of the bundled helm; each module builds its part of the command tree."""
