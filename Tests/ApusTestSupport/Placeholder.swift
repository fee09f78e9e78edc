// ApusTestSupport
