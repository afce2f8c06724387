"""What people do on the platform: typed in, typed out; the API, the pages and the command line call it."""
