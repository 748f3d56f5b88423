#' A survey with few human answers, and two stand-ins for the rest
#'
#' The American National Election Study of 1996: 694 respondents, of whom 200, drawn at
#' random, count as labelled. `dole_guess` and `anes96_draws` come from models that were
#' fitted to 250 other respondents, in place of a language model.
#'
#' @format `anes96`: a data frame with a row for each respondent.
#'   \describe{
#'     \item{id}{Respondent.}
#'     \item{PID}{Party identification, 0 (strong Democrat) to 6 (strong Republican).}
#'     \item{selfLR}{Left (1) to right (7), by the respondent.}
#'     \item{age}{Years.}
#'     \item{educ}{Level of education, 1 to 7.}
#'     \item{income}{Group of income, 1 to 24.}
#'     \item{dole}{Vote for Dole: 1 or 0; `NA` where it is not labelled.}
#'     \item{dole_guess}{A guess of it for everybody, the proxy.}
#'     \item{dole_all}{The answer of everybody, which an analyst would not have.}
#'   }
#'   `anes96_draws`: three made-up respondents for each real one (`id`), with `age`, `educ`,
#'   `income` and `dole` of their own.
#' @source The data set `anes96` of the Python package statsmodels, in the public domain.
#' @examples
#' summary(anes96)
#' @examplesIf synth_available()
#' fit <- augmented_gmm(
#'   dole ~ age + educ + income, anes96,
#'   proxy = list(guess = c(dole = "dole_guess")),
#'   synthetic = list(draws = anes96_draws), family = binomial(), on = "id"
#' )
#' fit
#' # What the answers of everybody say:
#' coef(glm(dole_all ~ age + educ + income, binomial, anes96))
#' @name anes96
#' @docType data
#' @keywords datasets
"anes96"

#' @rdname anes96
"anes96_draws"
