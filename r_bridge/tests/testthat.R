library(testthat)
library(statsmodelssynth)

test_check("statsmodelssynth")
