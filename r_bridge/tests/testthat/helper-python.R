skip_without_python <- function() {
  ok <- synth_available()
  # Not in one call: skip_if_not() evaluates the message before the condition.
  testthat::skip_if_not(isTRUE(ok), attr(ok, "reason"))
}
