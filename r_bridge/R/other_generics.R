# What generics of lm and glm do to a fit of another kind: answers from components that it
# does not have. Refused by name, with what there is.

only_of_labels <- paste(
  "It is about least squares on the labelled rows, and the estimate uses the sources too.",
  "diagnostics(fit)$influential has the units that move it most; sandwich::estfun(fit) has",
  "what each contributes."
)

no_qr <- paste(
  "There is no QR decomposition or projection: the estimate solves moment conditions.",
  "model.matrix(fit) has the design, vcov(fit) the covariance."
)

#' @rdname augmented_gmm-methods
#' @param model As `object`.
#' @importFrom stats influence
#' @export
influence.augmented_gmm <- function(model, ...) stop_not_there("influence", only_of_labels)

#' @rdname augmented_gmm-methods
#' @importFrom stats cooks.distance
#' @export
cooks.distance.augmented_gmm <- function(model, ...) {
  stop_not_there("cooks.distance", only_of_labels)
}

#' @rdname augmented_gmm-methods
#' @importFrom stats hatvalues
#' @export
hatvalues.augmented_gmm <- function(model, ...) stop_not_there("hatvalues", only_of_labels)

#' @rdname augmented_gmm-methods
#' @importFrom stats dfbeta
#' @export
dfbeta.augmented_gmm <- function(model, ...) stop_not_there("dfbeta", only_of_labels)

#' @rdname augmented_gmm-methods
#' @importFrom stats dfbetas
#' @export
dfbetas.augmented_gmm <- function(model, ...) stop_not_there("dfbetas", only_of_labels)

#' @rdname augmented_gmm-methods
#' @importFrom stats rstandard
#' @export
rstandard.augmented_gmm <- function(model, ...) stop_not_there("rstandard", only_of_labels)

#' @rdname augmented_gmm-methods
#' @importFrom stats rstudent
#' @export
rstudent.augmented_gmm <- function(model, ...) stop_not_there("rstudent", only_of_labels)

#' @rdname augmented_gmm-methods
#' @importFrom stats effects
#' @export
effects.augmented_gmm <- function(object, ...) stop_not_there("effects", no_qr)

#' @rdname augmented_gmm-methods
#' @importFrom stats proj
#' @export
proj.augmented_gmm <- function(object, ...) stop_not_there("proj", no_qr)

#' @rdname augmented_gmm-methods
#' @export
qr.augmented_gmm <- function(x, ...) stop_not_there("qr", no_qr)

#' @rdname augmented_gmm-methods
#' @importFrom stats alias
#' @export
alias.augmented_gmm <- function(object, ...) {
  stop_not_there("alias", "Collinear designs are errors: no coefficient is aliased.")
}

#' @rdname augmented_gmm-methods
#' @param fitted As `object`.
#' @importFrom stats profile
#' @export
profile.augmented_gmm <- function(fitted, ...) {
  stop_no_likelihood("profile of it", "confint(fit) has the interval of each coefficient.")
}

#' @rdname augmented_gmm-methods
#' @param nsim,seed As in [stats::simulate()], which is an error here.
#' @importFrom stats simulate
#' @export
simulate.augmented_gmm <- function(object, nsim = 1, seed = NULL, ...) {
  stop_not_there("simulate", paste(
    "The fit assumes nothing of how outcomes spread about their mean: there is no",
    "distribution to draw from."
  ))
}

#' @rdname augmented_gmm-methods
#' @importFrom stats dummy.coef
#' @export
dummy.coef.augmented_gmm <- function(object, ...) {
  stop_not_there("dummy.coef", "emmeans::emmeans() has the means of all levels.")
}

#' @rdname augmented_gmm-methods
#' @export
labels.augmented_gmm <- function(object, ...) {
  refuse_arguments("labels", ...)
  attr(object$terms, "term.labels")
}

stop_not_there <- function(name, advice) {
  synth_stop(sprintf("There is no %s() of this fit. %s", name, advice), "OptionError")
}

bootstrap_advice <- paste(
  "It would redraw the labelled rows without the sources. vcov(fit) is robust, and",
  "confint(fit) corrected for few labels."
)

likelihood_check <- paste(
  "It compares the labelled rows with a distribution, which the fit does not assume.",
  "agreement(fit) and diagnostics(fit) look at the sources."
)

#' @exportS3Method car::Boot
Boot.augmented_gmm <- function(object, ...) stop_not_there("Boot", bootstrap_advice)

#' @exportS3Method car::ncvTest
ncvTest.augmented_gmm <- function(model, ...) {
  stop_not_there("ncvTest", "Standard errors are robust to heteroscedasticity already.")
}

#' @exportS3Method car::hccm
hccm.augmented_gmm <- function(model, ...) {
  stop_not_there("hccm", "vcov(fit) is robust to heteroscedasticity already.")
}

#' @exportS3Method car::outlierTest
outlierTest.augmented_gmm <- function(model, ...) {
  stop_not_there("outlierTest", only_of_labels)
}

#' @exportS3Method car::influencePlot
influencePlot.augmented_gmm <- function(model, ...) {
  stop_not_there("influencePlot", only_of_labels)
}

#' @exportS3Method car::infIndexPlot
infIndexPlot.augmented_gmm <- function(model, ...) {
  stop_not_there("infIndexPlot", only_of_labels)
}

#' @exportS3Method car::durbinWatsonTest
durbinWatsonTest.augmented_gmm <- function(model, ...) {
  stop_not_there("durbinWatsonTest", paste(
    "For dependence within groups give cluster = in augmented_gmm()."
  ))
}

#' @exportS3Method car::leveragePlot
leveragePlot.augmented_gmm <- function(model, ...) {
  stop_not_there("leveragePlot", only_of_labels)
}

#' @exportS3Method car::avPlot
avPlot.augmented_gmm <- function(model, ...) stop_not_there("avPlot", only_of_labels)

#' @exportS3Method car::ceresPlot
ceresPlot.augmented_gmm <- function(model, ...) stop_not_there("ceresPlot", only_of_labels)

#' @exportS3Method car::S
S.augmented_gmm <- function(object, ...) {
  stop_not_there("S", "summary(fit) has it, with robust standard errors.")
}

#' @exportS3Method insight::get_loglikelihood
get_loglikelihood.augmented_gmm <- function(x, ...) stats::logLik(x)

#' @exportS3Method insight::find_algorithm
find_algorithm.augmented_gmm <- function(x, ...) list(algorithm = x$method)

#' @exportS3Method performance::check_overdispersion
check_overdispersion.augmented_gmm <- function(x, ...) {
  stop_not_there("check_overdispersion", likelihood_check)
}

#' @exportS3Method performance::model_performance
model_performance.augmented_gmm <- function(model, ...) {
  stop_not_there("model_performance", paste(
    "It rests on a likelihood. glance(fit) and performance::r2(fit) have what there is."
  ))
}

#' @exportS3Method parameters::simulate_model
simulate_model.augmented_gmm <- function(model, ...) {
  stop_not_there("simulate_model", bootstrap_advice)
}

# Diagnostic plots and tests of least squares, and searches for other models.

#' @exportS3Method car::avPlot3d
avPlot3d.augmented_gmm <- function(model, ...) {
  stop_not_there("avPlot3d", only_of_labels)
}

#' @exportS3Method car::boxCox
boxCox.augmented_gmm <- function(object, ...) stop_not_there("boxCox", only_of_labels)

#' @exportS3Method car::crPlot
crPlot.augmented_gmm <- function(model, ...) stop_not_there("crPlot", only_of_labels)

#' @exportS3Method car::crPlot3d
crPlot3d.augmented_gmm <- function(model, ...) {
  stop_not_there("crPlot3d", only_of_labels)
}

#' @exportS3Method car::dfbetaPlots
dfbetaPlots.augmented_gmm <- function(model, ...) {
  stop_not_there("dfbetaPlots", only_of_labels)
}

#' @exportS3Method car::dfbetasPlots
dfbetasPlots.augmented_gmm <- function(model, ...) {
  stop_not_there("dfbetasPlots", only_of_labels)
}

#' @exportS3Method car::inverseResponsePlot
inverseResponsePlot.augmented_gmm <- function(model, ...) {
  stop_not_there("inverseResponsePlot", only_of_labels)
}

#' @exportS3Method car::leveneTest
leveneTest.augmented_gmm <- function(y, ...) {
  stop_not_there("leveneTest", only_of_labels)
}

#' @exportS3Method car::mcPlot
mcPlot.augmented_gmm <- function(model, ...) stop_not_there("mcPlot", only_of_labels)

#' @exportS3Method car::mmp
mmp.augmented_gmm <- function(model, ...) stop_not_there("mmp", only_of_labels)

#' @exportS3Method car::powerTransform
powerTransform.augmented_gmm <- function(object, ...) {
  stop_not_there("powerTransform", only_of_labels)
}

#' @exportS3Method car::qqPlot
qqPlot.augmented_gmm <- function(x, ...) stop_not_there("qqPlot", only_of_labels)

#' @exportS3Method car::residualPlot
residualPlot.augmented_gmm <- function(model, ...) {
  stop_not_there("residualPlot", only_of_labels)
}

#' @exportS3Method car::residualPlots
residualPlots.augmented_gmm <- function(model, ...) {
  stop_not_there("residualPlots", only_of_labels)
}

#' @exportS3Method car::spreadLevelPlot
spreadLevelPlot.augmented_gmm <- function(model, ...) {
  stop_not_there("spreadLevelPlot", only_of_labels)
}

no_search <- paste(
  "It searches for another set of regressors by a likelihood. anova(fit) tests terms."
)

#' @exportS3Method parameters::principal_components
principal_components.augmented_gmm <- function(x, ...) {
  stop_not_there("principal_components", no_search)
}

#' @exportS3Method parameters::reduce_parameters
reduce_parameters.augmented_gmm <- function(x, ...) {
  stop_not_there("reduce_parameters", no_search)
}

#' @exportS3Method parameters::select_parameters
select_parameters.augmented_gmm <- function(model, ...) {
  stop_not_there("select_parameters", no_search)
}

# A share of draws of a posterior, or of a normal distribution in its place.

no_posterior <- "It describes draws of a posterior. summary(fit) has the p-values."

#' @exportS3Method bayestestR::p_direction
p_direction.augmented_gmm <- function(x, ...) stop_not_there("p_direction", no_posterior)

#' @exportS3Method bayestestR::p_significance
p_significance.augmented_gmm <- function(x, ...) {
  stop_not_there("p_significance", no_posterior)
}

#' @exportS3Method insight::get_dispersion
get_dispersion.augmented_gmm <- function(x, ...) {
  stop_not_there(
    "get_dispersion",
    "No dispersion is estimated: standard errors are robust. sigma(fit) has that of a line."
  )
}
