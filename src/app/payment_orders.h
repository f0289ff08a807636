// app/payment_orders.h
//
// Payment orders that reached the SPI, told by a neighbour as events (topic lb-conn/dict/payment-orders, type PaymentOrderAccepted,
// docs/events) instead of by a call: each brings the credit of its look-up, once.
//
// Threads: any number at once.
// Errors:  invalid, naming fields of `data`; those of the store of limits. An order whose look-up was not ours, was charged nothing or
//          was brought before is done.
#pragma once

#include "api/limits_port.h"
#include "events/handlers.h"

namespace chaveiro::app {

// `participant`: whose order it is where the event does not say.
events::Handler payment_order_handler(api::LimitsPort& limits, directory::Ispb participant);

}  // namespace chaveiro::app
