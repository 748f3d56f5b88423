# Colours that people with colour blindness tell apart (Okabe and Ito 2008).
colour_augmented <- "#0072B2"
colour_labels <- "#000000"
colours_naive <- c("#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
shapes_naive <- c(15, 17, 18, 25, 8)

#' Coefficients with and without the sources
#'
#' Draws, for each coefficient, the estimate and interval from the labels only, from
#' labels and sources together, and from each source taken at face value.
#'
#' @param x An object of class `augmented_gmm`.
#' @param level Confidence level of the intervals.
#' @param intercept Whether to show the intercept.
#' @param xlab,main Labels.
#' @param xlim Range of the horizontal axis.
#' @param ... To [graphics::plot.window()]: `xaxs`, `asp`, `log`, `lab`. Others, such as
#'   `col`, are errors.
#'
#' @return Invisibly, a data frame of what was drawn: `term`, `estimator`, `estimate`,
#'   `conf.low`, `conf.high`.
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' plot(fit)
#' @export
plot.augmented_gmm <- function(x, level = 0.95, intercept = FALSE, xlab = NULL,
                               main = NULL, xlim = NULL, ...) {
  refuse_arguments("plot", ..., also = c("xaxs", "asp", "log", "lab"))
  check_level(level)
  drawn <- plotted_intervals(x, level, intercept)
  look <- plotted_look(x)
  terms <- unique(drawn$term)
  if (is.null(xlab)) {
    xlab <- sprintf("Coefficient, with %s%% interval", format(100 * level))
  }
  if (is.null(xlim)) {
    known <- c(drawn$conf.low, drawn$conf.high, drawn$estimate, 0)
    xlim <- range(known[is.finite(known)])
  }
  graphics::plot.new()
  legend <- plot_margins(terms, look$estimator, main)
  on.exit(graphics::par(legend$before))
  # Widths of text are known on a page only; the page, and what is clipped, then follow
  # the margins.
  graphics::par(new = TRUE)
  graphics::plot.new()
  graphics::plot.window(xlim, c(length(terms) + 0.5, 0.5), yaxs = "i", ...)
  graphics::abline(v = 0, col = "grey70")
  if (length(terms) > 1L) {
    graphics::abline(h = seq_along(terms)[-1L] - 0.5, col = "grey92")
  }
  draw_intervals(drawn, look, terms)
  graphics::axis(1, col = NA, col.ticks = "grey40")
  graphics::box(bty = "l", col = "grey40")
  graphics::axis(2,
    at = seq_along(terms), labels = terms, las = 1, tick = FALSE,
    cex.axis = legend$cex_terms, mgp = c(3, 0.6, 0)
  )
  graphics::title(xlab = xlab, mgp = c(2.4, 1, 0))
  draw_legend(look, legend, main)
  invisible(drawn)
}

# A row for each coefficient and estimator, in the order in which they are drawn.
plotted_intervals <- function(x, level, intercept) {
  alone <- labels_only(x)
  estimates <- list(intervals("labels only", alone, level))
  if (has_sources(x)) {
    estimates <- c(
      estimates, list(intervals("augmented", x, level)),
      lapply(seq_len(nrow(x$sources)), function(m) naive_intervals(x, m, level))
    )
  }
  drawn <- do.call(rbind, estimates)
  if (!intercept && length(x$coefficients) > 1L) {
    drawn <- drawn[drawn$term != "(Intercept)", ]
  }
  row.names(drawn) <- NULL
  drawn
}

intervals <- function(estimator, x, level) {
  interval <- stats::confint(x, level = level)
  data.frame(
    term = names(x$coefficients), estimator = estimator,
    estimate = unname(x$coefficients), conf.low = unname(interval[, 1L]),
    conf.high = unname(interval[, 2L])
  )
}

# Their standard errors know nothing of the bias; they have no small-sample theory.
naive_intervals <- function(x, m, level) {
  estimate <- x$naive$coefficients[m, ]
  half <- stats::qnorm((1 + level) / 2) * x$naive$std.error[m, ]
  data.frame(
    term = names(x$coefficients),
    estimator = sprintf("%s as if real", row.names(x$sources)[m]),
    estimate = unname(estimate), conf.low = unname(estimate - half),
    conf.high = unname(estimate + half)
  )
}

plotted_look <- function(x) {
  m <- seq_len(nrow(x$sources))
  several <- length(colours_naive)
  both <- if (length(m)) c("labels only", "augmented") else "labels only"
  data.frame(
    estimator = c(both, sprintf("%s as if real", row.names(x$sources))),
    label = c(
      sprintf("labels only (n = %s)", whole(x$nobs)), both[-1L],
      sprintf("%s as if real", row.names(x$sources))
    ),
    colour = c(
      c(colour_labels, colour_augmented)[seq_along(both)],
      colours_naive[(m - 1L) %% several + 1L]
    ),
    # Beyond five sources colours come again, with another shape.
    shape = c(
      rep(19, length(both)),
      shapes_naive[(m - 1L + (m - 1L) %/% several) %% several + 1L]
    ),
    width = c(c(1.5, 3)[seq_along(both)], rep(1.5, length(m)))
  )
}

# Room for the names on the left and for the legend on top, measured in inches.
plot_margins <- function(terms, labels, main) {
  before <- graphics::par("mai", "xpd")
  size <- graphics::par("fin")
  line <- graphics::par("csi")
  widest <- max(graphics::strwidth(terms, "inches"))
  left <- min(widest, 0.4 * size[1L])
  column <- max(graphics::strwidth(labels, "inches", cex = 0.9)) + 4 * line
  columns <- max(1L, min(length(labels), floor((size[1L] - 0.3) / column)))
  rows <- ceiling(length(labels) / columns)
  columns <- ceiling(length(labels) / rows)
  title <- if (is.null(main)) 0 else 1.8 * line
  top <- min(title + (1.15 * rows + 0.6) * line, 0.45 * size[2L])
  graphics::par(mai = c(3.6 * line, left + 1.1 * line, top, 0.8 * line))
  list(
    before = before, columns = columns, title = title,
    cex_terms = min(1, left / widest) * graphics::par("cex.axis")
  )
}

draw_intervals <- function(drawn, look, terms) {
  k <- match(drawn$estimator, look$estimator)
  shift <- (k - (nrow(look) + 1) / 2) * 0.75 / nrow(look)
  at <- match(drawn$term, terms) + shift
  cap <- 0.18 * 0.75 / nrow(look)
  colour <- look$colour[k]
  graphics::segments(
    drawn$conf.low, at, drawn$conf.high, at,
    col = colour, lwd = look$width[k], lend = 1
  )
  ends <- c(drawn$conf.low, drawn$conf.high)
  graphics::segments(ends, at - cap, ends, at + cap, col = colour, lwd = 1.5, lend = 1)
  graphics::points(
    drawn$estimate, at, col = colour, bg = colour, pch = look$shape[k], cex = 1.1
  )
}

# Above the plot, from the left edge of the figure, by rows.
draw_legend <- function(look, place, main) {
  user <- graphics::par("usr")
  inches <- graphics::par("pin")
  per_inch <- (user[2L] - user[1L]) / inches[1L]
  up <- (user[4L] - user[3L]) / inches[2L]
  line <- graphics::par("csi")
  left <- user[1L] - (graphics::par("mai")[2L] - 0.6 * line) * per_inch
  across <- (graphics::par("fin")[1L] - 0.8 * line) / place$columns
  k <- seq_len(nrow(look)) - 1L
  rows <- ceiling(nrow(look) / place$columns)
  x <- left + (k %% place$columns) * across * per_inch
  y <- user[4L] + ((rows - 1L - k %/% place$columns) * 1.15 + 0.75) * line * up
  graphics::par(xpd = NA)
  graphics::segments(x, y, x + 1.6 * line * per_inch, y,
    col = look$colour, lwd = look$width, lend = 1
  )
  graphics::points(x + 0.8 * line * per_inch, y,
    col = look$colour, bg = look$colour, pch = look$shape, cex = 1.1
  )
  graphics::text(x + 2.1 * line * per_inch, y, look$label, adj = c(0, 0.5), cex = 0.9)
  if (!is.null(main)) {
    top <- user[4L] + (graphics::par("mai")[3L] - place$title / 2) * up
    graphics::text(left, top, main, adj = c(0, 0.5), font = 2, cex = 1.1)
  }
}
