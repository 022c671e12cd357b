# Which programs that deploying needs are not there, or do not do what it needs of them.
tools
features
say end -
