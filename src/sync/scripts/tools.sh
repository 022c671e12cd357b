# Which programs that deploying needs are not there, find having to be GNU's.
tools
find / -maxdepth 0 -printf '' 2>/dev/null || say missing "GNU find"
say end -
