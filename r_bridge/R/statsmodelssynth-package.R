#' Regression with imperfect synthetic data
#'
#' A few hundred human labels, a language model's guess for every unit (a *proxy*), and
#' units that a model made up (*synthetic* data): [augmented_gmm()] gives regression
#' coefficients, standard errors and tests that are valid whatever the model did, as
#' long as it was not told who is labelled, and tighter when the model is any good.
#'
#' The formula, the data frames and the result are R's; the numbers come from the Python
#' package `statsmodels_synth`, which is started at the first fit. [synth_available()]
#' says whether it can be.
#'
#' @keywords internal
#' @importFrom generics augment glance tidy
"_PACKAGE"
