# Figures by ggplot2, registered when it is loaded: what plot() draws.

interval_figure <- function(drawn, colour, shape, xlab) {
  ggplot2::ggplot(drawn, ggplot2::aes(
    x = .data[["estimate"]], y = .data[["method"]], xmin = .data[["conf.low"]],
    xmax = .data[["conf.high"]], colour = .data[["method"]], shape = .data[["method"]]
  )) +
    ggplot2::geom_vline(xintercept = 0, colour = "grey80") +
    ggplot2::geom_pointrange() +
    ggplot2::scale_colour_manual(values = colour, guide = "none") +
    ggplot2::scale_shape_manual(values = shape, guide = "none") +
    ggplot2::scale_y_discrete(limits = rev) +
    ggplot2::facet_wrap(~term, scales = "free_x") +
    ggplot2::labs(x = xlab, y = NULL) +
    ggplot2::theme_minimal()
}

#' @exportS3Method ggplot2::autoplot
autoplot.augmented_gmm <- function(object, level = 0.95, intercept = FALSE, ...) {
  refuse_arguments("autoplot", ...)
  check_level(level)
  drawn <- plotted_intervals(object, level, intercept)
  look <- plotted_look(object)
  drawn$term <- factor(drawn$term, unique(drawn$term))
  drawn$method <- factor(drawn$estimator, look$estimator)
  interval_figure(
    drawn, stats::setNames(look$colour, look$estimator),
    stats::setNames(pmin(look$shape, 18), look$estimator),
    sprintf("Coefficient, with %s%% interval", format(100 * level))
  )
}

#' @exportS3Method ggplot2::autoplot
autoplot.method_comparison <- function(object, terms = NULL, ...) {
  refuse_arguments("autoplot", ...)
  known <- unique(object$table$term)
  terms <- if (is.null(terms)) {
    if (length(known) > 1L) setdiff(known, object$constant) else known
  } else {
    check_parm(terms, known)
  }
  drawn <- object$table[object$table$term %in% terms, ]
  drawn$method <- paste0(drawn$method, ifelse(drawn$valid, "", " *"))
  methods <- unique(drawn$method)
  drawn$method <- factor(drawn$method, methods)
  drawn$term <- factor(drawn$term, terms)
  valid <- !endsWith(methods, " *")
  colour <- ifelse(methods == "GMM-Synth", colour_augmented, colour_labels)
  interval_figure(
    drawn, stats::setNames(colour, methods),
    stats::setNames(ifelse(valid, 19, 1), methods),
    sprintf("Estimate, %s%% interval (* takes sources at their word)",
      format(100 * object$level))
  )
}

#' @exportS3Method ggplot2::autoplot
autoplot.agreement <- function(object, ...) {
  refuse_arguments("autoplot", ...)
  drawn <- object$table[object$table$measure %in% c(
    "accuracy", "kappa", "precision", "recall", "F1", "r"
  ), ]
  drawn$row <- paste(drawn$source, drawn$variable, sep = ": ")
  ggplot2::ggplot(drawn, ggplot2::aes(
    x = .data[["estimate"]], y = .data[["measure"]], xmin = .data[["conf.low"]],
    xmax = .data[["conf.high"]]
  )) +
    ggplot2::geom_vline(xintercept = 1, colour = "grey80") +
    ggplot2::geom_pointrange(colour = colour_augmented) +
    ggplot2::facet_wrap(~row) +
    ggplot2::labs(x = "Agreement with people", y = NULL) +
    ggplot2::theme_minimal()
}

# A pronoun of ggplot2, in whose evaluations it means the data.
.data <- NULL

#' @exportS3Method ggplot2::autoplot
autoplot.synth_plan <- function(object, term = NULL, ...) {
  refuse_arguments("autoplot", ...)
  if (is.null(term)) {
    term <- c(setdiff(object$terms, object$constant), object$terms)[[1L]]
  }
  drawn <- plan_curves(object, check_parm(term, object$terms))
  lines <- plan_lines(object$sources)
  ggplot2::ggplot(drawn, ggplot2::aes(
    x = .data[["n"]], y = .data[["width"]], colour = .data[["line"]],
    linetype = .data[["line"]]
  )) +
    ggplot2::geom_line() +
    ggplot2::scale_colour_manual(values = stats::setNames(lines$colour, lines$label)) +
    ggplot2::scale_linetype_manual(values = stats::setNames(lines$dash, lines$label)) +
    ggplot2::scale_x_log10() +
    ggplot2::expand_limits(y = 0) +
    ggplot2::labs(
      x = "Labels", colour = NULL, linetype = NULL, title = term,
      y = sprintf("Expected width of the %s%% interval", format(100 * object$level))
    ) +
    ggplot2::theme_minimal()
}
