import java.io.IOException;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quickfix.*;
import quickfix.field.*;

/**
 * QuickFIX/J at the other end of our FIX sessions.
 *
 * <p>{@code acceptor}: a venue with one price, 100, for our initiator; prints its port and serves until its standard input ends.
 * {@code initiator PORT}: plays cards against our acceptor and prints one line of JSON: [{"name":…,"fault":…},…].
 * Incoming messages are checked against QuickFIX's own dictionary of FIX 4.4.
 */
public final class QuickFixPeer {
  private static final long WAIT_MS = 15_000;

  public static void main(String[] args) throws Exception {
    switch (args.length == 0 ? "" : args[0]) {
      case "acceptor" -> acceptor();
      case "initiator" -> initiator(Integer.parseInt(args[1]));
      default -> throw new IllegalArgumentException("want acceptor, or initiator PORT");
    }
  }

  private static SessionSettings settings(String type, String sender, String target, int port) throws Exception {
    SessionSettings settings = new SessionSettings();
    SessionID id = new SessionID("FIX.4.4", sender, target);
    Map<String, String> values = new LinkedHashMap<>();
    values.put("ConnectionType", type);
    values.put("NonStopSession", "Y");
    values.put("HeartBtInt", "2");
    values.put("ReconnectInterval", "1");
    values.put("SocketConnectHost", "127.0.0.1");
    values.put("SocketConnectPort", String.valueOf(port));
    values.put("SocketAcceptPort", String.valueOf(port));
    values.put("SocketAcceptAddress", "127.0.0.1");
    values.put("UseDataDictionary", "Y");
    values.put("DataDictionary", "FIX44.xml");
    values.put("RejectMessageOnUnhandledException", "Y");
    for (Map.Entry<String, String> value : values.entrySet()) settings.setString(id, value.getKey(), value.getValue());
    return settings;
  }

  // ---- the venue ----

  private static void acceptor() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    SocketAcceptor acceptor =
        new SocketAcceptor(
            new Venue(), new MemoryStoreFactory(), settings("acceptor", "VENUE", "CLIENT", port), log(), new DefaultMessageFactory());
    acceptor.start();
    System.out.println(port);
    System.out.flush();
    while (System.in.read() >= 0) {}
    acceptor.stop(true);
    System.exit(0);
  }

  private static LogFactory log() {
    return System.getenv("FIX_PEER_LOG") == null
        ? null
        : new ScreenLogFactory(true, true, true);
  }

  private static final class Order {
    String id, symbol, orderId;
    char side;
    double qty, filled, price;
  }

  private static final class Venue implements Application {
    private final Map<String, Order> open = new HashMap<>();
    private int ids;

    @Override public void onCreate(SessionID id) {}
    @Override public void onLogon(SessionID id) {}
    @Override public void onLogout(SessionID id) {}
    @Override public void toAdmin(Message message, SessionID id) {}
    @Override public void fromAdmin(Message message, SessionID id) {}
    @Override public void toApp(Message message, SessionID id) {}

    @Override
    public void fromApp(Message message, SessionID id) throws FieldNotFound, UnsupportedMessageType {
      switch (message.getHeader().getString(MsgType.FIELD)) {
        case "D" -> newOrder(message, id);
        case "F", "G" -> change(message, id);
        default -> throw new UnsupportedMessageType();
      }
    }

    private String report(SessionID id, Order order, char kind, char status, double last, double price, String of, String original) {
      Message report = new Message();
      report.getHeader().setString(MsgType.FIELD, "8");
      String exec = "e" + ++ids;
      boolean done = "248".indexOf(status) >= 0;
      report.setString(OrderID.FIELD, order.orderId);
      report.setString(ClOrdID.FIELD, order.id);
      if (original != null) report.setString(OrigClOrdID.FIELD, original);
      report.setString(ExecID.FIELD, exec);
      if (of != null) report.setString(ExecRefID.FIELD, of);
      report.setChar(ExecType.FIELD, kind);
      report.setChar(OrdStatus.FIELD, status);
      report.setString(Symbol.FIELD, order.symbol);
      report.setChar(Side.FIELD, order.side);
      if (last > 0) {
        report.setDouble(LastQty.FIELD, last);
        report.setDouble(LastPx.FIELD, price);
      }
      report.setDouble(LeavesQty.FIELD, done ? 0 : order.qty - order.filled);
      report.setDouble(CumQty.FIELD, order.filled);
      report.setDouble(AvgPx.FIELD, order.filled > 0 ? 100 : 0);
      send(report, id);
      return exec;
    }

    private static void send(Message message, SessionID id) {
      Session.lookupSession(id).send(message);
    }

    private void newOrder(Message message, SessionID id) throws FieldNotFound {
      Order order = new Order();
      order.id = message.getString(ClOrdID.FIELD);
      order.symbol = message.getString(Symbol.FIELD);
      order.orderId = "o" + ++ids;
      order.side = message.getChar(Side.FIELD);
      order.qty = message.getDouble(OrderQty.FIELD);
      order.price = message.isSetField(Price.FIELD) ? message.getDouble(Price.FIELD) : Double.MAX_VALUE;
      String text = message.isSetField(Text.FIELD) ? message.getString(Text.FIELD) : "";
      if (order.symbol.equals("HALT")) {
        report(id, order, '8', '8', 0, 0, null, null);
        return;
      }
      if (text.equals("drop")) {
        try {
          Session.lookupSession(id).disconnect("asked for by the order", false);
        } catch (IOException error) {
          throw new IllegalStateException(error);
        }
      }
      report(id, order, '0', '0', 0, 0, null, null);
      if (order.price < 100) {
        open.put(order.id, order);
        return;
      }
      order.filled = text.equals("part") ? order.qty / 2 : order.qty;
      String exec = report(id, order, 'F', order.filled < order.qty ? '1' : '2', order.filled, 100, null, null);
      double filled = order.filled;
      if (text.equals("bust")) {
        order.filled = 0;
        report(id, order, 'H', '0', filled, 100, exec, null);
      } else if (text.equals("correct")) {
        report(id, order, 'G', '2', filled, 99.5, exec, null);
      }
    }

    private void change(Message message, SessionID id) throws FieldNotFound {
      boolean amend = message.getHeader().getString(MsgType.FIELD).equals("G");
      String original = message.getString(OrigClOrdID.FIELD);
      Order order = open.remove(original);
      if (order == null) {
        Message reject = new Message();
        reject.getHeader().setString(MsgType.FIELD, "9");
        reject.setString(OrderID.FIELD, "NONE");
        reject.setString(ClOrdID.FIELD, message.getString(ClOrdID.FIELD));
        reject.setString(OrigClOrdID.FIELD, original);
        reject.setChar(OrdStatus.FIELD, '8');
        reject.setChar(CxlRejResponseTo.FIELD, amend ? '2' : '1');
        reject.setInt(CxlRejReason.FIELD, 1);
        send(reject, id);
        return;
      }
      order.id = message.getString(ClOrdID.FIELD);
      if (amend) {
        order.price = message.getDouble(Price.FIELD);
        open.put(order.id, order);
      }
      report(id, order, amend ? '5' : '4', amend ? '0' : '4', 0, 0, null, original);
    }
  }

  // ---- the client ----

  private static final class Client implements Application {
    final List<Message> heard = new ArrayList<>();

    @Override public void onCreate(SessionID id) {}
    @Override public void onLogon(SessionID id) {}
    @Override public void onLogout(SessionID id) {}
    @Override public void toAdmin(Message message, SessionID id) {}
    @Override public void toApp(Message message, SessionID id) {}
    @Override public void fromAdmin(Message message, SessionID id) { hear(message); }
    @Override public void fromApp(Message message, SessionID id) { hear(message); }

    private synchronized void hear(Message message) {
      heard.add((Message) message.clone());
      notifyAll();
    }

    synchronized void forget() {
      heard.clear();
    }

    /** Waits for a message with these fields, given as "35=8 11=a 150=F". */
    synchronized Message expect(String fields) throws Exception {
      long end = System.currentTimeMillis() + WAIT_MS;
      for (;;) {
        for (Message message : heard) if (has(message, fields)) return message;
        long left = end - System.currentTimeMillis();
        if (left <= 0) throw new Exception("no " + fields + "; heard " + shown());
        wait(left);
      }
    }

    synchronized int count(String fields) {
      int count = 0;
      for (Message message : heard) if (has(message, fields)) count++;
      return count;
    }

    private String shown() {
      StringBuilder all = new StringBuilder();
      for (Message message : heard) all.append(message.toString().replace('\u0001', '|')).append(' ');
      return all.toString();
    }

    private static boolean has(Message message, String fields) {
      for (String field : fields.split(" ")) {
        String[] parts = field.split("=", 2);
        int tag = Integer.parseInt(parts[0]);
        try {
          FieldMap map = message.getHeader().isSetField(tag) ? message.getHeader() : message;
          String value = map.getString(tag);
          boolean same = value.equals(parts[1]);
          if (!same) {
            try {
              same = Double.parseDouble(value) == Double.parseDouble(parts[1]);
            } catch (NumberFormatException notNumbers) {
              same = false;
            }
          }
          if (!same) return false;
        } catch (FieldNotFound absent) {
          return false;
        }
      }
      return true;
    }
  }

  private interface Card {
    void run() throws Exception;
  }

  private static Client client;
  private static Session session;
  private static final List<String> played = new ArrayList<>();

  private static void card(String name, Card card) {
    String fault = "";
    client.forget();
    try {
      if (!session.isLoggedOn()) {
        session.logon();
        until("a logon", logonWait, () -> session.isLoggedOn());
      }
      card.run();
    } catch (Throwable error) {
      fault = String.valueOf(error.getMessage());
      // A peer that never lets us in is not waited for at every card.
      if (!session.isLoggedOn() && played.isEmpty()) logonWait = 200;
    }
    played.add("{\"name\":" + quoted(name) + ",\"fault\":" + quoted(fault) + "}");
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < ' ') out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }

  private interface Holds {
    boolean now() throws Exception;
  }

  private static long logonWait = WAIT_MS;

  private static void until(String what, Holds holds) throws Exception {
    until(what, WAIT_MS, holds);
  }

  private static void until(String what, long ms, Holds holds) throws Exception {
    long end = System.currentTimeMillis() + ms;
    while (!holds.now()) {
      if (System.currentTimeMillis() > end) throw new Exception("waits in vain for " + what);
      Thread.sleep(20);
    }
  }

  /** A message of these fields, sent. */
  private static void send(String fields) {
    Message message = new Message();
    for (String field : fields.split(" ")) {
      String[] parts = field.split("=", 2);
      int tag = Integer.parseInt(parts[0]);
      (tag == 35 ? message.getHeader() : message).setString(tag, parts[1]);
    }
    session.send(message);
  }

  private static final String AT = "60=20240102-03:04:05";

  private static String order(String id, String rest) {
    return "35=D 11=" + id + " 55=X 54=1 38=10 " + AT + " " + rest;
  }

  private static void logout() throws Exception {
    session.logout();
    until("a logout", () -> !session.isLoggedOn());
  }

  private static void initiator(int port) throws Exception {
    client = new Client();
    SessionID id = new SessionID("FIX.4.4", "CLIENT", "VENUE");
    SocketInitiator initiator =
        new SocketInitiator(
            client, new MemoryStoreFactory(), settings("initiator", "CLIENT", "VENUE", port), log(), new DefaultMessageFactory());
    initiator.start();
    session = Session.lookupSession(id);

    card("logon", () -> until("a logon", () -> session.isLoggedOn()));
    card("a limit order rests", () -> {
      send(order("r1", "40=2 44=90"));
      client.expect("35=8 11=r1 150=0 39=0 151=10 14=0");
    });
    card("a market order is filled", () -> {
      send(order("f1", "40=1"));
      client.expect("35=8 11=f1 150=0 39=0");
      client.expect("35=8 11=f1 150=F 39=2 32=10 31=100 14=10 151=0");
    });
    card("a partial fill", () -> {
      send(order("p1", "40=2 44=100.5 58=part"));
      client.expect("35=8 11=p1 150=F 39=1 32=5 14=5 151=5");
    });
    card("an order with parties", () -> {
      quickfix.fix44.NewOrderSingle order =
          new quickfix.fix44.NewOrderSingle(
              new ClOrdID("g1"), new Side(Side.BUY), new TransactTime(), new OrdType(OrdType.MARKET));
      order.set(new Symbol("X"));
      order.set(new OrderQty(10));
      for (String party : new String[] {"a", "b"}) {
        quickfix.fix44.NewOrderSingle.NoPartyIDs group = new quickfix.fix44.NewOrderSingle.NoPartyIDs();
        group.set(new PartyID(party));
        group.set(new PartyIDSource('D'));
        group.set(new PartyRole(PartyRole.CLIENT_ID));
        order.addGroup(group);
      }
      session.send(order);
      client.expect("35=8 11=g1 150=F 39=2");
    });
    card("an amend and a cancel", () -> {
      send(order("a1", "40=2 44=90"));
      client.expect("35=8 11=a1 150=0");
      send("35=G 11=a2 41=a1 55=X 54=1 38=20 40=2 44=91 " + AT);
      client.expect("35=8 11=a2 41=a1 150=5 38=20 44=91");
      send("35=F 11=a3 41=a2 55=X 54=1 " + AT);
      client.expect("35=8 11=a3 41=a2 150=4 39=4");
    });
    card("a cancel and an amend of nothing are refused", () -> {
      send("35=F 11=n1 41=none 55=X 54=1 " + AT);
      client.expect("35=9 11=n1 41=none 434=1 102=1");
      send("35=G 11=n2 41=none 55=X 54=1 38=1 40=2 44=1 " + AT);
      client.expect("35=9 11=n2 434=2");
    });
    card("a halted symbol, a quantity of 0 and a ClOrdID used twice are rejected", () -> {
      send("35=D 11=h1 55=HALT 54=1 38=10 40=1 " + AT);
      client.expect("35=8 11=h1 150=8 39=8");
      send("35=D 11=h2 55=X 54=1 38=0 40=1 " + AT);
      client.expect("35=8 11=h2 150=8 39=8");
      send(order("h3", "40=2 44=90"));
      client.expect("35=8 11=h3 150=0");
      send(order("h3", "40=2 44=90"));
      client.expect("35=8 11=h3 150=8 39=8");
    });
    card("an order that must fill at once or not at all", () -> {
      send(order("i1", "40=2 44=90 59=3"));
      client.expect("35=8 11=i1 150=4 39=4");
    });
    card("the state of an order", () -> {
      send(order("s1", "40=2 44=90"));
      send("35=H 11=s1 55=X 54=1");
      client.expect("35=8 11=s1 150=I 39=0");
      send("35=H 11=s2 55=X 54=1");
      client.expect("35=j 372=H 380=1");
    });
    card("a mass cancel", () -> {
      send("35=D 11=m1 55=Y 54=1 38=10 40=2 44=90 " + AT);
      send("35=D 11=m2 55=Y 54=1 38=10 40=2 44=90 " + AT);
      send("35=q 11=m3 530=1 55=Y " + AT);
      client.expect("35=8 11=m1 150=4");
      client.expect("35=8 11=m2 150=4");
      client.expect("35=r 11=m3 531=1 533=2");
    });
    card("a bust and a correction", () -> {
      send(order("b1", "40=1 58=bust"));
      String exec = client.expect("35=8 11=b1 150=F").getString(ExecID.FIELD);
      client.expect("35=8 11=b1 150=H 14=0 19=" + exec);
      send(order("b2", "40=1 58=correct"));
      exec = client.expect("35=8 11=b2 150=F").getString(ExecID.FIELD);
      client.expect("35=8 11=b2 150=G 31=99.5 19=" + exec);
    });
    card("a type the venue has no use for", () -> {
      send("35=R 131=q 146=1 55=X");
      client.expect("35=j 372=R 380=3");
    });
    card("a wrong value, a missing field and a foreign field are rejected", () -> {
      send("35=D 11=w1 55=X 54=Z 38=10 40=1 " + AT);
      client.expect("35=3 372=D 371=54 373=5");
      send("35=D 11=w2 55=X 54=1 38=10 " + AT);
      client.expect("35=3 372=D 371=40 373=1");
      send(order("w3", "40=1 150=0"));
      client.expect("35=3 372=D 371=150 373=2");
      send(order("w4", "40=1"));
      client.expect("35=8 11=w4 150=F");
    });
    card("a test request is answered", () -> {
      send("35=1 112=hello");
      client.expect("35=0 112=hello");
    });
    card("heartbeats keep an idle session", () -> {
      Thread.sleep(6_500);
      if (!session.isLoggedOn()) throw new Exception("the session ended");
      if (client.count("35=0") < 2) throw new Exception("fewer than two heartbeats in 6.5 s");
    });
    card("numbers go on over a logout", () -> {
      int before = session.getExpectedSenderNum();
      logout();
      session.logon();
      until("a logon", () -> session.isLoggedOn());
      if (session.getExpectedSenderNum() <= before) throw new Exception("the numbers went back");
      send(order("c1", "40=1"));
      client.expect("35=8 11=c1 150=F");
    });
    card("reports that were lost with the connection come again", () -> {
      send(order("l1", "40=1 58=drop"));
      client.expect("35=8 11=l1 150=0 43=Y");
      client.expect("35=8 11=l1 150=F 43=Y");
    });
    card("everything is asked for again", () -> {
      session.setNextTargetMsgSeqNum(1);
      send("35=1 112=again");
      client.expect("35=8 11=f1 150=F 43=Y");
      client.expect("35=8 11=b1 150=H 43=Y");
      send(order("e1", "40=1"));
      client.expect("35=8 11=e1 150=F");
    });
    card("our gap is asked for and filled", () -> {
      session.setNextSenderMsgSeqNum(session.getExpectedSenderNum() + 5);
      send(order("k1", "40=1"));
      client.expect("35=2");
      client.expect("35=8 11=k1 150=F");
    });
    card("a number that is too low ends the session", () -> {
      int next = session.getExpectedSenderNum();
      session.setNextSenderMsgSeqNum(2);
      send("35=1 112=low");
      Message bye = client.expect("35=5");
      if (!bye.getString(Text.FIELD).startsWith("MsgSeqNum too low, expecting")) throw new Exception(bye.toString());
      until("the end", () -> !session.isLoggedOn());
      session.setNextSenderMsgSeqNum(next + 3);
      session.logon();
      until("a logon", () -> session.isLoggedOn());
    });
    card("logout", () -> logout());
    initiator.stop(true);
    System.out.println("[" + String.join(",", played) + "]");
    System.out.flush();
    System.exit(0);
  }
}
