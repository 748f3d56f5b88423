test_that("the doctor reports what is missing, and does not raise", {
  old <- options(statsmodelssynth.python = file.path(tempdir(), "nowhere", "python"))
  on.exit(options(old))
  expect_output(
    expect_false(withVisible(doctor())$value), "missing  There is no Python at .*nowhere"
  )
  # A program that is no Python, or one without the package.
  other <- tempfile()
  writeLines(c("#!/bin/sh", "exit 1"), other)
  Sys.chmod(other, "755")
  options(statsmodelssynth.python = other)
  skip_on_os("windows")
  expect_output(expect_false(doctor()), "statsmodels_synth cannot be imported there")
})
