// ApusLaunch
