#' Regression with imperfect synthetic data
#'
#' A few hundred human labels, a language model's guess for every unit (a *proxy*), and
#' units that a model made up (*synthetic* data): [augmented_gmm()] gives regression
#' coefficients, standard errors and tests, tighter when the model is any good.
#' Estimates are valid when units are labelled at random or with known probabilities, and
#' the sources are made in the same way for labelled and unlabelled units.
#'
#' The formula, the data frames and the result are R's; the numbers come from the Python
#' package `statsmodels_synth`, which is started at the first fit. [synth_available()]
#' says whether it can be.
#'
#' @keywords internal
#' @importFrom generics augment glance tidy
"_PACKAGE"
